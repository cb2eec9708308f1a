"""The store of simulated sequences that hold a pattern: a group is a pattern."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from gde.prepare.common.split import TRAINING, split_samples, split_units
from gde.sets.random import seed_of
from gde.sets.store.layout import SPLITS
from gde.sets.store.token_writer import TokenStoreWriter

ROWS = 1 << 17  # sequences drawn together


def write(distribution: type, cfg: dict, out: Path, *, name: str, seed: int, provenance: dict | None) -> None:
    """Draw patterns of a distribution (`Patterns` or `Motifs`), and the store of their sequences."""
    rng = np.random.default_rng(seed_of(seed, "patterns"))
    patterns = distribution.draw(cfg["patterns"], cfg["unit"], cfg["length"], cfg["substitutions"], rng)
    split, size = cfg["split"], cfg["size"]
    part = parts(patterns.names, size, split)  # (kmers, sequences)
    present = [(w, s) for w in range(len(patterns)) for s in range(len(SPLITS)) if (part[w] == s).any()]
    codes = np.full((len(patterns), len(SPLITS)), -1)
    codes[tuple(zip(*present, strict=True))] = np.arange(len(present))
    with TokenStoreWriter(out, alphabet=distribution.alphabet, length=cfg["length"], seed=seed) as writer:
        kmer = np.repeat(np.arange(len(patterns)), size)
        for start in range(0, len(kmer), ROWS):
            some = slice(start, start + ROWS)
            writer.write(patterns.sample(kmer[some], rng), codes[kmer[some], part.ravel()[some]])
        names = patterns.names
        groups = pd.DataFrame(
            {"group": names[w], "split": SPLITS[s], "pattern": names[w]} for w, s in present
        )  # fmt: skip
        meta = {
            "name": name,
            "kind": cfg["kind"],
            "data": "simulated",
            "units": "tokens",
            "groupby": ["pattern"],
            "labels": ["pattern"],
            "patterns": {"kmers": names, "length": cfg["length"], "substitutions": cfg["substitutions"]},
            "split": split,
        }
        truth = {"kmer": torch.from_numpy(patterns.kmers[[w for w, _ in present]].astype(np.int64))}
        writer.finish(groups, meta, truth=truth, provenance=provenance)


def parts(names: list[str], size: int, split: dict) -> np.ndarray:
    """Place in SPLITS of every sequence (kmers, size) int8."""
    if split["by"] == "group":
        place = split_units(names, split["fractions"], split["seed"], "pattern", TRAINING)
        return np.repeat(np.array([place[n] for n in names], np.int8)[:, None], size, 1)
    group = np.repeat(np.arange(len(names)), size)
    return split_samples(group, names, split["fractions"], split["seed"]).reshape(len(names), size)
