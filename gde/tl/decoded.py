"""Decoded features of embeddings: what a generator makes of them, and how sure that is."""

from dataclasses import dataclass

import numpy as np
import torch

from gde.embed import default_rows, encode_sets
from gde.influence import influence, smooth
from gde.models.base import Model
from gde.tl.readouts import Numbers, Residues
from gde.tl.sides import Sides

ROWS = 4096  # samples that are read together
GENERATED = 2048  # samples that are drawn together, of sequences fewer


@dataclass(frozen=True)
class Side:
    """Embedding z (l,) of one side, embeddings (r, l) of bootstrap replicates of it, its number of units, and the
    weight of each in each replicate (r, units), which sum to 1."""

    z: np.ndarray
    replicates: np.ndarray
    units: int
    weight: np.ndarray

    @property
    def widening(self) -> float:
        """By which a replicate's shift is multiplied, so that its variance is unbiased."""
        return float(np.sqrt(self.units / (self.units - 1)))


@torch.no_grad()
def embed_sides(model: Model, sides: Sides, draws: int, seed: int) -> list[Side]:
    """Both sides: embedding of the samples, or the mean over those of the units (donors).

    Replicates draw the samples, or the units, anew with replacement. Of samples their embeddings are the first-order
    ones (`gde.influence`), but of encoders of medians, which embed every replicate.
    """
    z = encode_sets(model, (sides.of(u) for u in range(len(sides.units))), default_rows(model)).astype(np.float64)
    out = []
    for s in (0, 1):
        rng, own = np.random.default_rng([seed, s]), np.flatnonzero(sides.side == s)
        if sides.by is not None:
            centre, pull, weight = z[own].mean(0), z[own] - z[own].mean(0), np.ones(len(own))
        else:
            x, given = sides.of(s)
            weight = np.ones(len(x)) if given is None else given
            centre, pull = z[s], influence(model, x, given) if smooth(model) else None
        n = len(weight)
        counts = rng.multinomial(n, np.full(n, 1 / n), size=draws) * weight  # (r, n)
        share = counts / counts.sum(1, keepdims=True)
        if pull is None:
            made = ((x[c > 0], c[c > 0]) for c in counts)
            shifts = encode_sets(model, made, default_rows(model)) - centre
        else:
            shifts = share @ pull
        out.append(Side(centre, centre + np.sqrt(n / (n - 1)) * shifts, n, share))
    return out


def observed_replicates(sides: Sides, s: int, side: Side) -> np.ndarray:
    """Mean features (r, g) of the samples as the model takes them, in the replicates of side s, widened as those."""
    if sides.by is not None:
        means = side.weight @ sides.restored.means()[sides.side == s]
    else:
        x, means = sides.of(s)[0], 0.0
        for start in range(0, len(x), ROWS):
            part = slice(start, start + ROWS)
            means = means + side.weight[:, part] @ sides.readout(x[part])
    return means.mean(0) + side.widening * (means - means.mean(0))


@torch.no_grad()
def generated(model: Model, z: np.ndarray, n: int, seed: int, readout: Numbers | Residues) -> np.ndarray:
    """Features (n, g) of samples of one embedding z (l,); of one seed all embeddings are given the same noise."""
    generator = torch.Generator(model.device).manual_seed(seed)
    z = torch.from_numpy(z.astype(np.float32))[None]
    step = default_rows(model, GENERATED, 1 << 17)
    parts = [
        readout(model.sample(z, min(step, n - start), generator=generator)[0].cpu().numpy())
        for start in range(0, n, step)
    ]
    return np.concatenate(parts)
