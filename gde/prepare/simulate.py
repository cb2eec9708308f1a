"""Held-out sets of a synthetic family with their true parameters, drawn once; training sets are drawn when used."""

import inspect
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from gde.errors import bad
from gde.features.moments import Moments
from gde.sets.families import REGISTRY
from gde.sets.random import ShardRandom
from gde.sets.store.writer import StoreWriter

BLOCK_VALUES = 4_000_000  # numbers drawn at a time (16 MB); fixed, because the draw of a set depends on its block
TRAINING_SETS, TRAINING_POINTS = 256, 256
SHAPE = {"dim", "rank", "categories", "trials"}  # parameters that every set of a store shares


def prepare(cfg: dict, out: Path, *, name: str, seed: int, provenance: dict | None = None) -> None:
    """Write validation and test sets of cfg (of a family's kind) at `out`, test_size points each.

    Columns of groups: distribution ('strict': the training distribution; 'paper': published_distribution, test only, as
    many sets), index (within split and distribution). truth.safetensors: the family's parameters, leading axis G. meta:
    family {kind, params}, mean and scale of 256 training sets of 256 points, the constants that standardise the model's
    input.
    """
    kind = cfg["kind"]
    module, noun = REGISTRY[kind].split(":")
    cls = getattr(import_module(module), noun)
    params = {k: cfg[k] for k in inspect.signature(cls).parameters if k in cfg}
    family = cls(**params)
    for key in ("test_sets", "validation_sets", "test_size"):
        if not isinstance(cfg[key], int) or cfg[key] < 1:
            raise bad(f"dataset.{key}", repr(cfg[key]), "an integer of at least 1", "set it so")
    parts = [("validation", "strict", family, cfg["validation_sets"]), ("test", "strict", family, cfg["test_sets"])]
    published = cfg.get("published_distribution")
    if published:
        unknown = sorted(set(published) - set(inspect.signature(cls).parameters) | (SHAPE & set(published)))
        if unknown:
            raise bad(
                f"dataset.published_distribution.{unknown[0]}",
                "a key that is no parameter of the distribution",
                "e.g. mean_low, df",
                "remove it",
            )
        parts.append(("test", "paper", cls(**(params | published)), cfg["test_sets"]))

    n, d = cfg["test_size"], family.dim
    groups = pd.DataFrame(
        [
            {
                "group": f"{split}-{distribution}-{i:05d}",
                "split": split,
                "size": n,
                "distribution": distribution,
                "index": i,
            }
            for split, distribution, _, sets in parts
            for i in range(sets)
        ]
    )
    drawn = [
        f.draw(sets, ShardRandom(seed, 0, stream=f"{split}/{distribution}/params"))
        for split, distribution, f, sets in parts
    ]
    truth = {k: torch.cat([p[k] for p in drawn]) for k in drawn[0]}
    mean, scale = standardisation(family, seed)
    with StoreWriter(Path(out), groups=groups, sample_shape=(d,), seed=seed) as writer:
        first = 0
        for (split, distribution, family_of_distribution, sets), p in zip(parts, drawn, strict=True):
            block = max(1, BLOCK_VALUES // (n * d))
            for start in range(0, sets, block):
                some = {k: v[start : start + block] for k, v in p.items()}
                b = min(block, sets - start)
                x = family_of_distribution.sample(
                    some, n, ShardRandom(seed, start, stream=f"{split}/{distribution}/samples")
                )
                writer.write(x.reshape(b * n, d).numpy(), np.repeat(np.arange(first + start, first + start + b), n))
            first += sets
        meta = {
            "name": name,
            "kind": kind,
            "data": "simulated",
            "family": {"kind": kind, "params": params},
            "published_distribution": published or None,
            "units": "dimensionless",
            "dim": d,
            "sample_shape": [d],
            "feature_names": [f"x{i + 1}" for i in range(d)],
            "mean": mean,
            "scale": scale,
        }
        writer.finish(meta, truth=truth, provenance=provenance)


def standardisation(family: Any, seed: int) -> tuple[list[float], list[float]]:
    """Mean and sd (d,) of points of the training distribution, from a draw that depends on the seed alone."""
    params = family.draw(TRAINING_SETS, ShardRandom(seed, 0, stream="standardise/params"))
    x = family.sample(params, TRAINING_POINTS, ShardRandom(seed, 0, stream="standardise/samples"))
    moments = Moments(family.dim)
    moments.add(x.reshape(-1, family.dim).numpy())
    return moments.mean.tolist(), moments.sd().tolist()
