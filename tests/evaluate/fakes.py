"""Models with known behaviour, and small stores, for the laws of evaluation."""

from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pandas as pd
import torch

from gde.evaluate.shared.context import Context
from gde.sets.families import build
from gde.sets.random import ShardRandom
from gde.sets.store.set_store import SetStore
from gde.sets.store.writer import StoreWriter
from gde.sets.types import sample_type


class MomentModel:
    """Encodes the mean and the covariance root, generates that normal: near perfect for normal families."""

    device = torch.device("cpu")
    alphabet = None
    digest = "of no weights"
    encoder = SimpleNamespace(unchanging=nullcontext)

    def __init__(self, dim: int):
        self.dim, self.sample_type = dim, sample_type("vectors", (dim,))

    def encode(self, x, *, mask=None, weight=None):
        w = torch.ones(x.shape[:2]) if mask is None else mask.float()
        w = (w / w.sum(1, keepdim=True))[..., None]
        mean = (w * x).sum(1)
        centred = (x - mean[:, None]) * w.sqrt()
        values, vectors = torch.linalg.eigh((centred.mT @ centred).double())
        root = (vectors * values.clamp(min=0).sqrt()[:, None]) @ vectors.mT
        return torch.cat([mean, root.flatten(1).float()], 1)

    def sample(self, z, n, *, generator=None):
        mean, root = z[:, : self.dim], z[:, self.dim :].unflatten(1, (self.dim, self.dim))
        return mean[:, None] + torch.randn(len(z), n, self.dim, generator=generator) @ root


class BlindModel(MomentModel):
    """Embeds a hash of the first sample and generates the same far cloud whatever the embedding."""

    def encode(self, x, *, mask=None, weight=None):
        return torch.sin(1e4 * x[:, 0] @ torch.arange(1.0, 4 * self.dim + 1).reshape(self.dim, 4))

    def sample(self, z, n, *, generator=None):
        return 20 + 3 * torch.randn(len(z), n, self.dim, generator=generator)


class ReplayModel(MomentModel):
    """Embeds by mean and covariance; generates by drawing again from the last single set encoded: a perfect context."""

    def encode(self, x, *, mask=None, weight=None):
        if len(x) == 1:
            self.last = x[0]
        return super().encode(x, mask=mask)

    def sample(self, z, n, *, generator=None):
        return self.last[torch.randint(len(self.last), (len(z), n), generator=generator)]


def context(options: dict, *, model=None, store=None, seed: int = 0) -> Context:
    """Of a part of an evaluation that reads these options and nothing else of the config."""
    return Context(model, store, {"evaluation": options}, seed)


def family_store(path, kind="mvn", *, sets=24, size=400, paper=False, seed=0, **params) -> SetStore:
    """Held-out sets of a family, laws `strict` and (on request) `paper`."""
    family = build(kind, **params)
    distributions = ["strict", "paper"] if paper else ["strict"]
    groups = pd.DataFrame(
        [
            {"group": f"{distribution}-{i}", "split": "test", "size": size, "distribution": distribution}
            for distribution in distributions
            for i in range(sets)
        ]
    )
    truth = family.draw(len(groups), ShardRandom(seed, 0, stream="truth"))
    x = family.sample(truth, size, ShardRandom(seed, 0, stream="samples"))
    with StoreWriter(path, groups=groups, sample_shape=(family.dim,), seed=seed) as writer:
        writer.write(x.flatten(0, 1).numpy(), np.repeat(np.arange(len(groups)), size))
        writer.finish(
            {
                "kind": kind,
                "data": "simulated",
                "family": {"kind": kind, "params": params},
                "dim": family.dim,
                "sample_shape": [family.dim],
                "units": "dimensionless",
                "mean": [0.0] * family.dim,
                "scale": [1.0] * family.dim,
            },
            truth=truth,
        )
    return SetStore.open(path)


def sample_store(path, x: np.ndarray, group: np.ndarray, *, by="sample", labels=None, seed=0, **meta) -> SetStore:
    """Real-like data: x (rows, d), group (rows,) int; split inside groups (60/10/30) or by group (every third tests).

    labels : column name -> one value per group.
    """
    rng, rows, row = np.random.default_rng(seed), [], np.zeros(len(x), int)
    for g in np.unique(group):
        own = rng.permutation(np.flatnonzero(group == g))
        extra = {name: values[g] for name, values in (labels or {}).items()}
        cuts = [int(0.6 * len(own)), int(0.7 * len(own))] if by == "sample" else []
        parts = (
            zip(("train", "validation", "test"), np.split(own, cuts), strict=True)
            if cuts
            else [(("test", "train", "validation")[g % 3], own)]
        )
        for split, index in parts:
            if len(index):
                row[index] = len(rows)
                rows.append({"group": f"g{g}", "split": split, "size": len(index), **extra})
    with StoreWriter(path, groups=pd.DataFrame(rows), sample_shape=(x.shape[1],), seed=seed) as writer:
        writer.write(x.astype(np.float32), row)
        writer.finish(
            {
                "kind": "table",
                "data": "user",
                "dim": x.shape[1],
                "sample_shape": [x.shape[1]],
                "units": "PCs",
                "split": {"by": by},
                "labels": list(labels or ()),
                "mean": [0.0] * x.shape[1],
                "scale": [1.0] * x.shape[1],
                **meta,
            }
        )
    return SetStore.open(path)


def config(kind: str, **evaluation) -> dict:
    """The part of a resolved experiment that evaluation reads."""
    defaults = {
        "simulated": {
            **{"bootstrap": 50, "generated": None, "geodesic_pairs": 4, "geodesic_steps": 5, "exact_sets": 6},
            **{"simplex_points": 300, "poisson_draws": 500, "poisson_replicates": 1},
            **{"clt": True, "coverage_replicates": 0},
        },
        "samples": {"bootstrap": 50, "repeats": 6, "cuts": 4},
    }
    return {
        "name": "test",
        "seed": 0,
        "training": {"set_size": 32},
        "evaluation": {"kind": kind, **defaults[kind], **evaluation},
        "published": {},
    }
