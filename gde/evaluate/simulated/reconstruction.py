"""Reconstruction: how well generated samples follow a known truth, beside controls measured by the same estimators."""

from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from gde.distances.em import fit_gmm_from
from gde.distances.exact import exact_w2
from gde.distances.gaussian import bures2
from gde.distances.mixture import mw2
from gde.distances.mmd import mmd
from gde.errors import bad
from gde.evaluate.shared.bandwidth import median_distance
from gde.evaluate.shared.metrics import mean_interval, record
from gde.evaluate.simulated.sets import CHUNK, Sets, form
from gde.sets.random import ShardRandom, seed_of

COMPARED = 300  # points per set for exact OT and MMD, which cost their cube and their square
SMALLEST = 1e-3  # share of the average covariance: the least that errors of a covariance are relative to
AVERAGE_SETS = 4096
CONTROLS = ("resample_truth", "average_covariance", "point_mass", "other_set")
METRICS = ("w2", "w2_mean", "w2_cov", "mmd", "second_moment")


def errors(model: Any, family: Any, sets: Sets, n: int, *, seed: int, paper_only: bool = False) -> pd.DataFrame:
    """Errors of each set under the model and the controls: columns set, source, paper_metric, METRICS.

    n points are generated per set. Controls draw as many: `resample_truth` from the true distribution
    (what a perfect model scores), `average_covariance` from a normal with the true mean and the average covariance of
    the training distribution, `other_set` from another held-out distribution; `point_mass` sits at the true mean,
    exactly. `paper_only` leaves METRICS out. Counts have no paper_metric: none was published for them.
    """
    device = sets.z.device
    draw = torch.Generator(device).manual_seed(seed_of(seed, "evaluate/generate") % 2**63)
    average = average_covariance(family, seed, device)
    least = SMALLEST * average.double().norm()
    step = max(1, CHUNK // n)
    other = sets.part(np.roll(np.arange(len(sets.rows)), 1))
    tables = []
    for start in range(0, len(sets.rows), step):
        index = slice(start, start + step)
        part = sets.part(index)
        rng = {
            name: ShardRandom(seed, start, stream=f"evaluate/{name}", device=device)
            for name in ("reference", *CONTROLS)
        }
        mean, cov = family.moments(part.params)
        sources = {
            "model": model.sample(part.z, n, generator=draw),
            "resample_truth": family.sample(part.params, n, rng["resample_truth"]),
            "average_covariance": _normal(mean, average, n, rng["average_covariance"]),
            "other_set": family.sample(other.part(index).params, n, rng["other_set"]),
            "point_mass": mean[:, None].expand(-1, n, -1),
        }
        reference = None if paper_only else family.sample(part.params, n, rng["reference"])
        bandwidth = None if paper_only else median_distance(reference[:, :COMPARED])
        for source, points in sources.items():
            if not torch.isfinite(points).all():
                raise bad(
                    source, "NaN or infinity among the samples", "finite numbers", "train again, e.g. with a lower lr"
                )
            mixture = _mixture_error(source, points, part.params, other.part(index).params)
            values = _errors(source, points, form(part.params), mixture, mean, cov, reference, bandwidth, least)
            values = {k: v.double().cpu().numpy() for k, v in values.items()}
            tables.append(pd.DataFrame({"set": part.rows, "source": source, **values}))
    return pd.concat(tables, ignore_index=True)


def _errors(source, points, distribution, mixture, mean, cov, reference, bandwidth, least) -> dict[str, Tensor]:
    """points, reference (b, n, d); true mean (b, d), cov (b, d, d); mixture (b,) MW2² or None; each value (b,)."""
    found_mean, found_cov = moments(points)
    mean, cov = mean.double(), cov.double()
    w2_mean = (found_mean - mean).norm(dim=-1)
    cov_squared = bures2(found_cov, cov)
    out = {"normal": {"paper_metric": w2_mean + cov_squared}, "mixture": {"paper_metric": mixture}}.get(
        distribution, {}
    )
    if reference is None:
        return out
    compared = points.shape[1] if points.shape[2] == 1 else COMPARED  # on the line exact OT only sorts
    if distribution == "normal":
        w2 = (w2_mean**2 + cov_squared).sqrt()
    elif source == "point_mass":  # the only coupling sends every point to the mass
        w2 = (reference[:, :compared] - points[:, :1]).square().sum(-1).mean(-1).sqrt()
    else:
        w2 = exact_w2(points[:, :compared], reference[:, :compared])
    return out | {
        "w2": w2,
        "w2_mean": w2_mean,
        "w2_cov": cov_squared.sqrt(),
        "mmd": mmd(points[:, :COMPARED], reference[:, :COMPARED], bandwidth),
        "second_moment": (found_cov - cov).norm(dim=(-2, -1)) / cov.norm(dim=(-2, -1)).clamp_min(least),
    }


def _mixture_error(source: str, points: Tensor, params: dict[str, Tensor], other: dict[str, Tensor]) -> Tensor | None:
    """MW2² between the truth and the mixture that EM, started at the truth, fits to the points; (b,), or None.

    None for other distributions. Exact, without EM: `point_mass`, which has a single coupling, and `other_set`, whose
    points lie far from where EM would start.
    """
    if form(params) != "mixture":
        return None
    w, m, c = (params[k].double() for k in ("weight", "mean", "cov"))
    if source == "point_mass":
        spread = (m - points[:, :1].double()).square().sum(-1) + c.diagonal(dim1=-2, dim2=-1).sum(-1)
        return (w * spread).sum(-1)
    if source == "other_set":
        return mw2(*(other[k].double() for k in ("weight", "mean", "cov")), w, m, c) ** 2
    return mw2(*fit_gmm_from(points, w, m, c), w, m, c) ** 2


def moments(points: Tensor) -> tuple[Tensor, Tensor]:
    """Sample means (b, d) and unbiased covariances (b, d, d) of points (b, n, d), float64 sums."""
    points = points.double()
    mean = points.mean(1)
    centred = points - mean[:, None]
    return mean, centred.mT @ centred / max(1, points.shape[1] - 1)


def average_covariance(family: Any, seed: int, device: torch.device) -> Tensor:
    """Mean covariance (d, d) of the training distribution, from a seeded draw."""
    params = family.draw(AVERAGE_SETS, ShardRandom(seed, 0, stream="evaluate/average", device=device))
    return family.moments(params)[1].mean(0, dtype=torch.float64).float()


def covariance_root(cov: Tensor) -> Tensor:
    """Symmetric roots (..., d, d) float64 of covariances that may be singular, which have no Cholesky factor."""
    values, vectors = torch.linalg.eigh(cov.double())
    return (vectors * values.clamp_min(0).sqrt()[..., None, :]) @ vectors.mT


def _normal(mean: Tensor, cov: Tensor, n: int, rng: ShardRandom) -> Tensor:
    noise = rng.randn(len(mean), n, mean.shape[-1])
    return mean[:, None] + noise @ covariance_root(cov).float()


def summarise(table: pd.DataFrame, column: str, rng: np.random.Generator, *, bootstrap: int, protocol: str) -> dict:
    """Record of one column of `errors`: mean over sets, interval over sets, controls as baselines."""
    means = table.groupby("source", sort=False)[column].mean()
    own = table.loc[table["source"] == "model", column].to_numpy()
    return record(
        means["model"],
        n=len(own),
        higher_is_better=False,
        ci=mean_interval(own, rng, repeats=bootstrap),
        baselines={name: means[name] for name in CONTROLS},
        ceiling=means["resample_truth"],
        protocol=protocol,
    )
