"""Regulatory elements with their measured activity, in bins of it: a group is a bin, a sample a sequence.

An element and its reverse complement are measured apart, under names that differ by a suffix; both are in one split, as
are elements that are near copies of each other.
"""

import logging
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

from gde.errors import bad, lowering
from gde.files.io import storage_errors
from gde.prepare.common.near import counted_near, told
from gde.prepare.common.split import split_units
from gde.prepare.common.write import origin, source_of
from gde.readers.table import Table
from gde.sets.near_copies import clusters
from gde.sets.store.layout import SPLITS
from gde.sets.store.token_writer import TokenStoreWriter
from gde.sets.types.alphabet import ALPHABETS

log = logging.getLogger(__name__)
DNA = ALPHABETS["dna"]


def prepare(cfg: dict, out: Path, *, name: str, seed: int, provenance: dict | None = None) -> None:
    """Write the store of dataset `name` at `out` from the table cfg['path'].

    groups : group "bin<NN>", bin (0 = lowest), activity (mean of the group's elements).   samples keep their
    expression. A row that is there twice counts once. Raises GdeError for unknown columns, a name with two sequences or
    activities, illegal residues, sequences that are too long, activities that are no numbers, and fewer elements than
    bins.
    """
    path = Path(cfg["path"]).expanduser()
    names, tokens, activity, repeated = read_elements(path, cfg)
    split, near = split_of(names, tokens, cfg, path)
    present, code, size, kept = cells_of(bin_of(activity, cfg, path), split, cfg)
    mean = np.bincount(code, activity) / size
    number = np.cumsum(kept) - 1
    groups = pd.DataFrame(
        {
            "group": [f"bin{p // len(SPLITS):02d}" for p in present],
            "split": [SPLITS[p % len(SPLITS)] for p in present],
            "bin": present // len(SPLITS),
            "activity": mean,
        }
    )[kept].reset_index(drop=True)
    source = source_of(path)
    meta = {
        "name": name,
        "kind": cfg["kind"],
        "data": origin([source]),
        "source": {**source, "rows": len(names) + repeated},
        "repeated_rows": repeated,
        "units": "tokens",
        "groupby": ["bin"],
        "labels": ["bin"],
        "split": {**cfg["split"], "by": "element"},
        "near_copies": near,
        "dropped_groups": int((~kept).sum()),
        "dropped_samples": int(size[~kept].sum()),
    }
    rows = np.flatnonzero(kept[code])
    out = Path(out)
    with storage_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    fields = {"expression": "float32"}
    with TokenStoreWriter(out, alphabet="dna", length=cfg["length"], seed=seed, fields=fields) as writer:
        writer.write(tokens[rows], number[code[rows]], expression=activity[rows])
        writer.finish(groups, meta, provenance=provenance)


def examine(cfg: dict) -> None:
    """GdeError for what the table tells; it is read whole."""
    path = Path(cfg["path"]).expanduser()
    names, tokens, activity, _ = read_elements(path, cfg)
    split, _ = split_of(names, tokens, cfg, path)
    cells_of(bin_of(activity, cfg, path), split, cfg)


def cells_of(bins: np.ndarray, split: np.ndarray, cfg: dict) -> tuple[np.ndarray, ...]:
    """Of bins and splits (m,): each pair (c,) that there is, as one number, that of every element (m,), how many
    elements it has (c,), and whether these are enough (c,) bool. GdeError for a split without one that is kept."""
    present, code, size = np.unique(bins * len(SPLITS) + split, return_inverse=True, return_counts=True)
    kept = size >= cfg["min_size"]
    for part, name in enumerate(SPLITS):
        if not (kept & (present % len(SPLITS) == part)).any():
            found = f"no bin of {cfg['min_size']} or more elements in split '{name}'"
            lower = lowering(("min_size", cfg["min_size"], 1), ("bins", cfg["bins"], 3)) or "give more elements"
            remedy = f"{lower}, or, of near copies, raise split.identity"
            raise bad("dataset.split", found, "one in every split", remedy)
    return present, code, size, kept


def read_elements(path: Path, cfg: dict) -> tuple[list[str], np.ndarray, np.ndarray, int]:
    """Names, tokens (m, length) uint8 and activities (m,) float64 of the table's rows; how many came again."""
    columns = cfg["columns"]
    table = Table(path, [columns["name"], columns["sequence"]], [columns["activity"]], key="columns")
    frame = table.frame()
    activity = np.concatenate([x[:, 0] for _, x in table.chunks()])
    again = frame.assign(activity=activity).duplicated().to_numpy()
    twice = frame[columns["name"]].duplicated().to_numpy() & ~again
    if twice.any():
        row = int(twice.argmax())
        where = f"{path}: row {row + 1}, column {columns['name']}"
        found = f"{frame[columns['name']].iloc[row]!r} again, with another sequence or activity"
        raise bad(where, found, "one of each for a name", "rename it, or take the row out")
    tokens = np.zeros((len(frame), cfg["length"]), np.uint8)
    for row, sequence in enumerate(frame[columns["sequence"]]):
        where = f"{path}: row {row + 1}, column {columns['sequence']}"
        if not 1 <= len(sequence) <= cfg["length"]:
            found = f"{len(sequence)} residues"
            raise bad(where, found, f"1 to {cfg['length']}", "raise dataset.length, or take the row out")
        try:
            tokens[row, : len(sequence)] = DNA.encode(sequence)
        except ValueError as e:
            found, _, expected = str(e).partition(", expected ")
            raise bad(where, found.removeprefix("found "), expected, "correct it, or take the row out") from e
    return frame[columns["name"]][~again].tolist(), tokens[~again], activity[~again], int(again.sum())


def element(name: str, suffixes: list[str]) -> str:
    """The name of an element without the suffix that tells its orientation."""
    for suffix in suffixes:
        if name.endswith(suffix) and name != suffix:
            return name.removesuffix(suffix)
    return name


def split_of(names: list[str], tokens: np.ndarray, cfg: dict, path: Path) -> tuple[np.ndarray, dict[str, int] | None]:
    """Place in SPLITS (m,) of each name; those that differ by a suffix of cfg['orientations'] share it, and those whose
    tokens (m, length) are near copies. Second: how many of these there are, None where none is looked for."""
    elements, split, near = [element(name, cfg["orientations"]) for name in names], cfg["split"], None
    if split["identity"] is not None:
        cluster = clusters(tokens, split["identity"], DNA)
        units = joined(elements, cluster)
        size = np.array(list(Counter(dict(zip(elements, units, strict=True)).values()).values()))
        near = counted_near(len(set(elements)), size[size > 1])
        if near["clusters"]:
            log.info("%s: %s", path, told(near, split["identity"]))
        elements = units
    place = split_units(list(dict.fromkeys(elements)), split["fractions"], split["seed"], "element")
    return np.array([place[e] for e in elements]), near


def joined(elements: list[str], cluster: np.ndarray) -> list[str]:
    """The name of the first element, in the order of names, among all that share a cluster (m,), one with another."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    of, known = pd.factorize(np.array(elements, dtype=object), sort=True)
    n, size = len(known), len(known) + int(cluster.max(initial=-1)) + 1
    graph = coo_matrix((np.ones(len(of), bool), (of, n + cluster)), shape=(size, size))
    part = connected_components(graph, directed=False)[1][:n]
    first = np.full(part.max() + 1, n)
    np.minimum.at(first, part, np.arange(n))
    return [str(known[first[part[e]]]) for e in of]


def bin_of(activity: np.ndarray, cfg: dict, path: Path) -> np.ndarray:
    """Bin (m,) int64 of each activity: as many elements in each, in the order of activity and then of rows."""
    n, bins = len(activity), cfg["bins"]
    if n < bins:
        raise bad(path, f"{n} elements", f"one for each of {bins} bins", "lower dataset.bins")
    rank = np.empty(n, np.int64)
    rank[activity.argsort(kind="stable")] = np.arange(n)
    return np.searchsorted(np.arange(1, bins) * n // bins, rank, side="right")
