"""Held-out perturbations: which perturbations are held out, and how: of one cell line while others train on the gene,
or of all of them."""

import numpy as np
import pandas as pd

from gde.errors import bad
from gde.prepare.common.counts import listed
from gde.prepare.common.split import check_training
from gde.readers.hdf5 import unknown
from gde.sets.random import seed_of
from gde.sets.store.layout import SPLITS
from gde.sets.vectors import Vectors


def hold_out(gene: np.ndarray, line: np.ndarray, control: np.ndarray, cfg: dict, where: str) -> tuple[list, list]:
    """Split and protocol of each group; gene, line (G,) str, control (G,) bool, cfg as dataset.split of perturb_seq.

    Controls train. `one_line`: held out here, but trained in another line; `all_lines`: trained nowhere; both are of
    the test split. Shares are of the genes that are not named, cut by a seeded permutation of their names.
    Raises GdeError for genes that were not perturbed, and where no gene is left to train, validate or test.
    """
    known = sorted(set(gene[~control]))
    absent = [g for g in cfg["genes"] if g not in set(known)]
    if absent:
        error = unknown("dataset.split.genes", absent[0], known)
        if len(absent) == 1:
            raise error
        raise bad(
            "dataset.split.genes",
            f"{len(absent)} of {len(cfg['genes'])} genes that are not perturbed in {where} ({listed(absent, 20)})",
            f"perturbed genes: {listed(known)}",
            "correct the names, or take them out",
        )
    others = [g for g in known if g not in set(cfg["genes"])]
    order = np.random.default_rng(seed_of(cfg["seed"], "split", "gene")).permutation(len(others))
    counts = {part: int(np.ceil(cfg[part] * len(others))) for part in ("validation", "test")}
    if sum(counts.values()) >= len(others):
        raise bad(
            where,
            f"{len(known)} perturbed genes, {len(cfg['genes'])} of them named in dataset.split.genes",
            "more, so that one trains, one validates and one tests",
            "lower dataset.min_size, or split.validation and split.test",
        )
    place = dict.fromkeys(others, "train")
    place |= {others[i]: "validation" for i in order[: counts["validation"]]}
    place |= {others[i]: "test" for i in order[counts["validation"] : sum(counts.values())]}
    lines = set(cfg["lines"]) if cfg["lines"] is not None else set(line)
    named = np.isin(gene, cfg["genes"]) & ~control
    split = [
        "train" if c else ("test" if at in lines else "train") if n else place[g]
        for g, at, c, n in zip(gene, line, control, named, strict=True)
    ]
    trained = {g for g, s in zip(gene, split, strict=True) if s == "train"}
    protocol = [
        s if s != "test" else "one_line" if g in trained else "all_lines" for g, s in zip(gene, split, strict=True)
    ]
    perturbed = [s for s, c in zip(split, control, strict=True) if not c]
    for part in SPLITS:
        if part not in perturbed:
            raise bad(where, f"no perturbation in split '{part}'", "one in every split", "change dataset.split")
    check_training(perturbed.count("train"), f"{where}: perturbations", "lower dataset.min_size, or split.test")
    return split, protocol


def check_held_out(vectors: Vectors, groups: pd.DataFrame, where: str) -> None:
    """GdeError where none of the held-out genes can be predicted: they train in no cell line, and no vector tells them
    from others. groups : with the columns gene and protocol."""
    tested = groups[groups["protocol"].isin(["one_line", "all_lines"])]
    told = (tested["protocol"] == "one_line") | ~tested["gene"].isin(vectors.lost)
    if not told.any():
        genes = sorted(set(tested["gene"]))
        found = f"no vector for any of the {len(genes)} held-out genes ({listed(genes)}), which train in no cell line"
        remedy = "hold out genes that have one (dataset.split.genes), or give a file that has theirs (dataset.vectors)"
        raise bad(where, found, "a vector of one or more, to predict it from", remedy)
