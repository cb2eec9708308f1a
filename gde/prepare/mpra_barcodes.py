"""Barcodes of reporter elements: a group is an element (oligo), a sample what a barcode shows of its activity.

A barcode's activity in a replicate is log2 of RNA over DNA, both as shares of all counts of that replicate. Most
barcodes are seen in few replicates, so by default each barcode in each replicate is a sample of one number.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from gde.errors import bad, lowering
from gde.prepare.common.groups import Assignment, assign
from gde.prepare.common.write import origin, source_of, write_features
from gde.readers.table import Table, shown

CHUNK = 1 << 16


def prepare(cfg: dict, out: Path, *, name: str, seed: int, provenance: dict | None = None) -> None:
    """Write the store of dataset `name` at `out` from the table cfg['path'] of counts; empty cells are not seen.

    groups : group = oligo.   samples : barcode and, where replicates are apart, replicate.
    Raises GdeError for unknown columns, counts that are negative or no numbers, and too few barcodes of every oligo.
    """
    path = Path(cfg["path"]).expanduser()
    x, names, oligo, samples, rows = read_barcodes(path, cfg)
    assignment = groups_of(oligo, samples, cfg, path)
    source = source_of(path)
    meta = {
        "name": name,
        "kind": cfg["kind"],
        "data": origin([source]),
        "source": {**source, "rows": rows},
        "units": "log2 RNA / DNA" + (", centred and divided by the training sd" if cfg["scale"] else ""),
        "groupby": ["oligo"],
        "labels": [],
        "replicates": cfg["replicates"],
    }
    steps = {"values": "scaled", "n_hvg": None, "scale": cfg["scale"], "clip": None, "n_pcs": None}

    def chunks():
        for start in range(0, len(x), CHUNK):
            yield start, x[start : start + CHUNK]

    told = {"samples": samples, "provenance": provenance}
    write_features(Path(out), assignment, chunks, names, steps, meta, seed=seed, **told)


def examine(cfg: dict) -> None:
    """GdeError for what the table tells; it is read whole."""
    path = Path(cfg["path"]).expanduser()
    _, _, oligo, samples, _ = read_barcodes(path, cfg)
    groups_of(oligo, samples, cfg, path)


def groups_of(oligo: np.ndarray, samples: pd.DataFrame, cfg: dict, path: Path) -> Assignment:
    """The groups of samples of these oligos (m,)."""
    layout = {"groupby": ["oligo"], "labels": [], "min_size": cfg["min_size"], "split": cfg["split"]}
    return assign(pd.DataFrame({"oligo": oligo}), layout, str(path), samples["barcode"].tolist())


def read_barcodes(path: Path, cfg: dict) -> tuple[np.ndarray, list[str], np.ndarray, pd.DataFrame, int]:
    """Samples x (n, d) of a table of counts, names of the d features, the oligo of each, the barcodes (and replicates),
    and the rows of the table. Errors as `prepare`."""
    columns = cfg["columns"]
    table = Table(path, [columns["barcode"], columns["oligo"]], counted(columns, path), empty=True, key="columns")
    frame = table.frame()
    dna, rna = read_counts(table, len(columns["dna"]), path)
    activity = log_ratio(dna, rna, cfg["pseudocount"], columns, path)
    seen = np.isfinite(activity) & (dna >= cfg["min_dna"])
    if cfg["replicates"] == "apart":
        row, replicate = np.nonzero(seen)
        x, names = activity[row, replicate][:, None], ["log2_rna_dna"]
        more = {"replicate": replicate + 1}
    else:
        row = np.flatnonzero(seen.all(1))
        x, names, more = activity[row], [f"log2_rna_dna_{i + 1}" for i in range(dna.shape[1])], {}
    if len(row) == 0:
        found = f"no barcode with {cfg['min_dna']} or more DNA counts"
        together = ["set replicates: apart"] if cfg["replicates"] == "together" else []
        remedy = [lowering(("min_dna", cfg["min_dna"], 1)), *together]
        raise bad(path, found, "some", ", or ".join(filter(None, remedy)) or "correct dataset.columns")
    oligo = frame[columns["oligo"]].to_numpy()[row]
    samples = pd.DataFrame({"barcode": frame[columns["barcode"]].to_numpy()[row], **more})
    return x, names, oligo, samples, len(frame)


def counted(columns: dict, path: Path) -> list[str]:
    """The columns of counts: DNA of each replicate, then RNA."""
    if len(columns["dna"]) != len(columns["rna"]):
        found = f"{len(columns['dna'])} columns of DNA and {len(columns['rna'])} of RNA"
        raise bad("dataset.columns", found, "one of each for every replicate", f"name the columns of {path}")
    return [*columns["dna"], *columns["rna"]]


def read_counts(table: Table, replicates: int, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """DNA and RNA counts (barcodes, replicates) float64, NaN where a barcode is not seen."""
    counts = np.concatenate([x for _, x in table.chunks()])
    wrong = (counts < 0) | (counts != np.floor(counts)) & np.isfinite(counts)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        where = f"{path}: row {row + 1}, column {table.features[column]}"
        raise bad(where, shown(counts[row, column]), "a whole number of 0 or more", "give raw counts")
    return counts[:, :replicates], counts[:, replicates:]


def log_ratio(dna: np.ndarray, rna: np.ndarray, pseudocount: float, columns: dict, path: Path) -> np.ndarray:
    """log2 RNA / DNA (barcodes, replicates), each count as a share of its replicate's; NaN where there is no DNA.

    A barcode with DNA and without RNA is silent: its RNA is 0, and the pseudocount keeps it finite.
    """
    with_dna = dna > 0
    totals = np.where(with_dna, dna, 0).sum(0), np.where(with_dna, np.nan_to_num(rna), 0).sum(0)
    for kind, total in zip(("dna", "rna"), totals, strict=True):
        if (total == 0).any():
            column = columns[kind][int((total == 0).argmax())]
            raise bad(f"{path}: column {column}", "no counts", "some", "leave the replicate out of dataset.columns")
    share = (np.nan_to_num(rna) + pseudocount) / totals[1], (np.where(with_dna, dna, 1) + pseudocount) / totals[0]
    with np.errstate(divide="ignore"):  # of no RNA and no pseudocount: not finite, and left out as not seen
        return np.where(with_dna, np.log2(share[0]) - np.log2(share[1]), np.nan)
