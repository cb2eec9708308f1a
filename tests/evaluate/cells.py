"""Stores of single cells with planted answers: clones, perturbations, donors; and models that read or ignore them."""

from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from fakes import MomentModel

from gde.sets.store.set_store import SetStore
from gde.sets.store.writer import StoreWriter
from gde.sets.vectors import Vectors

CPU = torch.device("cpu")


def write(
    path, groups: pd.DataFrame, x: list[np.ndarray], samples: pd.DataFrame | None, *, tables=None, **meta
) -> SetStore:
    """A store of groups (a row each) with their samples x[i] (n_i, d); samples : a row for each of them, in order."""
    sizes = [len(part) for part in x]
    d = x[0].shape[1]
    with StoreWriter(path, groups=groups.assign(size=sizes), sample_shape=(d,), seed=0) as writer:
        source = np.empty(sum(sizes), int)
        source[writer.write(np.concatenate(x).astype(np.float32), np.repeat(np.arange(len(x)), sizes))] = np.arange(
            sum(sizes)
        )
        tables = dict(tables or {})
        if samples is not None:
            tables["samples"] = samples.iloc[source].reset_index(drop=True)
        meta = {"kind": "test", "data": "simulated", "split": {"by": "group"}, "units": "PCs", **meta}
        writer.finish(meta, tables=tables)
    return SetStore.open(path)


class MeanModel(MomentModel):
    """Encodes the mean alone, generates a standard normal around it."""

    latent_dim = 5

    def __init__(self, dim: int):
        super().__init__(dim)
        self.latent_dim = dim

    def encode(self, x, *, mask=None, weight=None):
        return super().encode(x, mask=mask)[:, : self.dim]

    def sample(self, z, n, *, generator=None):
        return z[:, None] + torch.randn(len(z), n, self.dim, generator=generator)


class HashModel(MeanModel):
    """Embeds a hash of the first sample: tells nothing."""

    def encode(self, x, *, mask=None, weight=None):
        return torch.sin(1e4 * x[:, 0] @ torch.arange(1.0, self.dim**2 + 1).reshape(self.dim, self.dim))


def clones(path, *, n=240, cells=40, d=5, rho=0.95, seed=0, wells=True, types=True) -> tuple[SetStore, float]:
    """Clones on days 2, 4, 6: day 2 shows a clone's state u (one number), day 6 its fate v, half of whose variance at
    rho is u's; days move along a line. returns the store and the bits that u tells of v.
    """
    rng = np.random.default_rng(seed)
    u = rng.normal(size=n)
    v = rho * u + np.sqrt(1 - rho**2) * rng.normal(size=n)
    rows, x, frames = [], [], []
    split = np.where(np.arange(n) % 5 < 3, "test", np.where(np.arange(n) % 5 == 3, "train", "validation"))
    for c in range(n):
        for day in (2.0, 4.0, 6.0):
            t = (day - 2) / 4
            own = rng.normal(size=(cells, d))
            own[:, 0] += 4 * (u[c] if day < 6 else v[c])
            own[:, 1] += 6 * t
            kind = np.where(rng.random(cells) < 1 / (1 + np.exp(-2 * v[c])), "Mon", "Neu") if day == 6 else "Undiff"
            rows.append({"group": f"c{c}|{day:g}", "clone": f"c{c}", "day": day, "split": split[c]})
            x.append(own)
            frames.append(
                pd.DataFrame(
                    {"cell_type": kind, "well": (1 + rng.integers(2, size=cells)).astype(str) if day == 6 else "0",
                     "spring_x": own[:, 0], "spring_y": own[:, 1]}
                )
            )  # fmt: skip
    samples = pd.concat(frames, ignore_index=True)
    samples = samples.drop(columns=[*([] if wells else ["well"]), *([] if types else ["cell_type"])])
    return write(path, pd.DataFrame(rows), x, samples), -0.5 * np.log2(1 - rho**2)


LINEAGE = {
    "kind": "lineage", "bootstrap": 50, "early": [2.0, 4.0], "late": [6.0], "interpolate": [2.0, 4.0, 6.0],
    "neighbours": 3, "dim": 2, "dims": [1, 2], "permutations": 20,
}  # fmt: skip


def config(evaluation: dict, **more) -> dict:
    return {"name": "test", "seed": 0, "training": {"set_size": 32}, "published": {}, "evaluation": evaluation, **more}


def planted_vectors(names: list[str], k: int, rng) -> Vectors:
    return Vectors(names, rng.normal(size=(len(names), k)).astype(np.float32), "planted")


class ShiftModel(MeanModel):
    """Encodes the mean; a condition moves it by `effect[condition]`, right or wrong; cells are normal around it."""

    def __init__(self, dim: int, effect: dict[str, np.ndarray], sd: float):
        super().__init__(dim)
        from types import SimpleNamespace

        self.effect, self.sd, self.features = effect, sd, None
        self.encoder = None
        self.heads = {"perturbation": SimpleNamespace(conditions=SimpleNamespace(names=list(effect)))}

    def predict_perturbed(self, z, condition):
        return z + torch.from_numpy(np.stack([self.effect[c] for c in condition])).to(z)

    def predict_mean(self, z):
        return z

    def sample(self, z, n, *, generator=None):
        return z[:, None] + self.sd * torch.randn(len(z), n, self.dim, generator=generator)


PERTURBATION = {
    "kind": "perturbation", "bootstrap": 30, "batch": "gem_group", "top": 4, "generated": 100, "shown": 3,
    "null": "null",
}  # fmt: skip
SCREEN = {"kind": "perturbation", "control": {"gene": "none"}, "within": ["cell_line"], "conditions": "vectors"}


def screen(path, *, lines=2, genes=60, d=20, cells=60, sd=0.5, seed=0, batches=True, lost=()):
    """A screen: every gene's shift is linear in its vector of 4 numbers, 40 % do nothing; genes of the second half of
    the held-out ones train in the other lines. Batches move all cells and hold perturbations in uneven shares.

    returns the store and gene -> shift (d,).
    """
    rng = np.random.default_rng(seed)
    names = [f"G{i}" for i in range(genes)]
    null = np.arange(genes) % 5 < 2
    vectors = planted_vectors(names, 4, rng)
    vectors.table[null, :] = 0  # genes without a function are alike
    vectors.table[null, 0] = 0.01 * rng.normal(size=null.sum())
    effect = vectors.table @ rng.normal(size=(4, d)) * 0.6
    effect[null] = 0
    held = np.arange(genes) >= genes - 20
    place, batch = 2 * rng.normal(size=(lines, d)), 1.5 * rng.normal(size=(4, d))
    rows, x, frames = [], [], []
    for line in range(lines):
        for i in range(-1, genes):
            n = cells if i >= 0 else 8 * cells
            gem = rng.choice(4, n, p=rng.dirichlet([0.5] * 4) if i >= 0 else [0.25] * 4)
            shift = effect[i] if i >= 0 else 0
            own = place[line] + shift + (batch[gem] if batches else 0) + sd * rng.normal(size=(n, d))
            split = "train"
            if i >= 0 and held[i]:
                split = "test" if i < genes - 10 or line == 0 else "train"
            elif i >= 0 and i % 10 == 4:
                split = "validation"
            rows.append({"gene": names[i] if i >= 0 else "none", "cell_line": f"L{line}", "split": split,
                         "null": bool(i >= 0 and null[i])})  # fmt: skip
            x.append(own)
            frames.append(pd.DataFrame({"gem_group": [f"L{line}:{g}" for g in gem]}))
    groups = pd.DataFrame(rows)
    groups.insert(0, "group", groups["gene"] + "|" + groups["cell_line"])
    tables = {"vectors": replace(vectors, lost=tuple(lost)).frame()}
    store = write(path, groups, x, pd.concat(frames, ignore_index=True), tables=tables)
    return store, dict(zip(names, effect, strict=True))


def donors(path, *, n=48, cells=60, d=5, batches=4, effect=1.2, seed=0, shuffle=False) -> SetStore:
    """Donors of two labels, sick ones shifted and with more B cells; batches shift all cells; age goes along a line."""
    rng = np.random.default_rng(seed)
    sick, batch = np.arange(n) % 2 == 1, np.arange(n) // 2 % batches
    age, own = rng.uniform(20, 80, n), 0.3 * rng.normal(size=(n, d))
    place = 2 * rng.normal(size=(batches, d))
    rows, x, frames = [], [], []
    told = rng.permutation(sick) if shuffle else sick
    for i in range(n):
        mean = own[i] + place[batch[i]]
        mean = mean + effect * sick[i] * np.eye(d)[0] + (age[i] - 50) / 20 * np.eye(d)[1]
        x.append(mean + rng.normal(size=(cells, d)))
        rows.append(
            {
                "group": f"D{i}",
                "donor": f"D{i}",
                "disease": "sick" if told[i] else "well",
                "batch": f"b{batch[i]}",
                "age": age[i],
                "split": ("train", "test", "validation")[0 if i % 12 < 6 else 1 if i % 12 < 10 else 2],
            }
        )
        frames.append(pd.DataFrame({"cell_type": np.where(rng.random(cells) < 0.3 + 0.2 * sick[i], "B", "T")}))
    return write(path, pd.DataFrame(rows), x, pd.concat(frames, ignore_index=True), labels=["disease"])


DONORS = {"kind": "donors", "bootstrap": 30, "label": None, "batch": "batch", "order": "age", "repeats": 2}
