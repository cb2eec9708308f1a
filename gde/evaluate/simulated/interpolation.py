"""Interpolation: what lies on the line between two embeddings, beside the optimal transport path between two
normals."""

from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from gde.distances.gaussian import gaussian_ot_path, gaussian_w2
from gde.evaluate.shared.context import Context
from gde.evaluate.shared.metrics import bootstrap, record
from gde.evaluate.shared.tables import DATA
from gde.evaluate.simulated.reconstruction import covariance_root, moments
from gde.evaluate.simulated.sets import CHUNK, Sets
from gde.sets.random import ShardRandom

SHOWN = 3
POINTS, POINTS_MANY_FEATURES = 4000, 1000  # per step of a path: fewer have a floor near what is to be measured
FEW_FEATURES = 10


def choose_pairs(n_sets: int, n_pairs: int, rng: np.random.Generator) -> np.ndarray:
    """Distinct pairs of distinct sets (p, 2), p = min(n_pairs, all pairs)."""
    i, j = np.triu_indices(n_sets, 1)
    chosen = rng.permutation(len(i))[:n_pairs]
    return np.stack([i[chosen], j[chosen]], 1)


def generate_path(model: Any, z1: Tensor, z2: Tensor, t: Tensor, n: int, draw: torch.Generator):
    """Samples at (1 - t) z1 + t z2, a few pairs at a time: yields (slice of pairs, points (p, steps, n, d))."""
    pairs = max(1, CHUNK // (n * len(t)))
    for start in range(0, len(z1), pairs):
        index = slice(start, start + pairs)
        z = torch.lerp(z1[index, None], z2[index, None], t[None, :, None])  # (p, steps, l)
        points = model.sample(z.flatten(0, 1), n, generator=draw)
        yield index, points.unflatten(0, z.shape[:2])


def geodesic_deviation(
    ctx: Context, family: Any, sets: Sets, *, pairs: int
) -> tuple[dict[str, Any], pd.DataFrame, pd.DataFrame]:
    """W2 of what is generated along a latent line to the closed-form OT path, as a share of the end-to-end W2.

    Mean over pairs and times, divided by the mean end-to-end W2, so that no pair of near neighbours rules. For normal
    families. evaluation.geodesic_steps times in [0, 1], ends included; normals are fitted to the generated points.
    Baselines: `linear_mixture`, the moments of the mixture (1 - t) P + t Q, and `linear_moments`, straight lines
    between means and covariances, both exact. Ceiling: as many points of the true path, fitted alike.
    Returns the metric, the deviations by pair and time, and the normals to draw.
    """
    model, seed, repeats, steps = ctx.model, ctx.seed, ctx.repeats, ctx.options["geodesic_steps"]
    device = sets.z.device
    rng, draw = ctx.random("geodesic"), ctx.generator("geodesic/generate")
    chosen = choose_pairs(len(sets.rows), pairs, rng)
    first, second = sets.part(chosen[:, 0]), sets.part(chosen[:, 1])
    (m1, c1), (m2, c2) = ([v.double() for v in family.moments(s.params)] for s in (first, second))
    t = torch.linspace(0, 1, steps, device=device)
    n = min(POINTS if family.dim <= FEW_FEATURES else POINTS_MANY_FEATURES, 4 * sets.size)

    true_mean, true_cov = gaussian_ot_path(m1, c1, m2, c2, t.double())  # (p, steps, d), (p, steps, d, d)
    length = gaussian_w2(m1, c1, m2, c2)[:, None]
    s = t.double()[None, :, None]  # (1, steps, 1)
    m1, c1, m2, c2 = m1[:, None], c1[:, None], m2[:, None], c2[:, None]
    linear = torch.lerp(c1, c2, s[..., None])
    gap = (m2 - m1)[..., None]
    mixture = linear + (s * (1 - s))[..., None] * gap @ gap.mT

    found = [moments(points.flatten(0, 1)) for _, points in generate_path(model, first.z, second.z, t, n, draw)]
    found_mean = torch.cat([m for m, _ in found]).view_as(true_mean)
    found_cov = torch.cat([c for _, c in found]).view_as(true_cov)
    resampled = [_resample(true_mean[k], true_cov[k], n, seed, k) for k in range(len(chosen))]
    sources = {
        "model": (found_mean, found_cov),
        "resample_truth": tuple(torch.stack(v) for v in zip(*resampled, strict=True)),
        "linear_mixture": (true_mean, mixture),
        "linear_moments": (true_mean, linear),
    }
    gaps = {k: gaussian_w2(m, c, true_mean, true_cov).cpu().numpy() for k, (m, c) in sources.items()}  # (p, steps)
    times = t.cpu().numpy()
    metric, table = deviation(gaps, length.cpu().numpy()[:, 0], times, rng, repeats=repeats)
    normals = pd.concat(
        [
            path_table(k, times, source, mean[k].cpu().numpy(), cov[k].cpu().numpy())
            for k in range(min(SHOWN, len(chosen)))
            for source, mean, cov in (("generated", found_mean, found_cov), ("ot_path", true_mean, true_cov))
        ],
        ignore_index=True,
    )
    return metric, table, normals


def _resample(mean: Tensor, cov: Tensor, n: int, seed: int, step: int) -> tuple[Tensor, Tensor]:
    """Moments of n points of each normal; mean (steps, d), cov (steps, d, d)."""
    noise = ShardRandom(seed, step, stream="evaluate/geodesic", device=mean.device).randn(len(mean), n, mean.shape[-1])
    return moments(mean[:, None] + noise.double() @ covariance_root(cov))


def deviation(
    gaps: dict[str, np.ndarray], length: np.ndarray, times: np.ndarray, rng: np.random.Generator, *, repeats: int
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Mean W2 to the true path as a share of the mean end-to-end W2, and all of them by pair and time.

    gaps : source -> (p, steps), sources `model`, `resample_truth` (the ceiling) and baselines.   length : (p,) W2.
    """

    def share(source: str, index=slice(None)) -> float:
        return float(gaps[source][index].mean() / length[index].mean())

    metric = record(
        share("model"),
        n=len(length),
        higher_is_better=False,
        ci=bootstrap(lambda i: share("model", i), len(length), rng, repeats=repeats),
        baselines={k: share(k) for k in gaps if k not in ("model", "resample_truth")},
        ceiling=share("resample_truth"),
    )
    table = pd.DataFrame(
        {"pair": np.repeat(np.arange(len(length)), len(times)), "t [1]": np.tile(times, len(length))}
        | {f"end_to_end_w2 {DATA}": np.repeat(length, len(times))}
        | {f"{k} {DATA}": v.ravel() for k, v in gaps.items()}
    )
    return metric, table


def path_table(pair: int, times, source: str, mean, cov, component: int = 0, weight: float = 1.0) -> pd.DataFrame:
    """Rows of the interpolation table: the first two coordinates of each normal; mean (steps, d), cov (steps, d, d)."""
    table = {"pair": pair, "t [1]": times, "source": source, "component": component, "weight [1]": weight}
    d = min(2, mean.shape[-1])
    table |= {f"mean_{a + 1} {DATA}": mean[:, a] for a in range(d)}
    table |= {f"cov_{a + 1}{b + 1} [squared data units]": cov[:, a, b] for a in range(d) for b in range(a, d)}
    return pd.DataFrame(table)
