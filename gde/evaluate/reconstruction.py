"""How well generated samples follow a known truth, beside controls measured by the same estimators."""

from dataclasses import dataclass
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
from gde.evaluate.metrics import mean_interval, record
from gde.sets.random import ShardRandom, seed_of

CHUNK = 200_000  # points held at once per source
COMPARED = 300  # points per set for exact OT and MMD, which cost their cube and their square
AVERAGE_SETS = 4096
CONTROLS = ("resample_truth", "average_covariance", "point_mass", "other_set")
METRICS = ("w2", "w2_mean", "w2_cov", "mmd", "second_moment")


@dataclass(frozen=True)
class Sets:
    """Held-out sets of one law: rows in the store, embeddings (s, l), true parameters (leading axis s), points each."""

    rows: np.ndarray
    z: Tensor
    params: dict[str, Tensor]
    size: int

    def part(self, index) -> "Sets":
        return Sets(self.rows[index], self.z[index], {k: v[index] for k, v in self.params.items()}, self.size)


def errors(model: Any, family: Any, sets: Sets, n: int, *, seed: int, paper_only: bool = False) -> pd.DataFrame:
    """Errors of each set under the model and the controls: columns set, source, paper_metric, METRICS.

    n points are generated per set. Controls draw as many: `resample_truth` from the true distribution
    (what a perfect model scores), `average_covariance` from a normal with the true mean and the average covariance of
    the training law, `other_set` from another held-out distribution; `point_mass` sits at the true mean, exactly.
    `paper_only` leaves METRICS out.
    """
    device = sets.z.device
    draw = torch.Generator(device).manual_seed(seed_of(seed, "evaluate/generate") % 2**63)
    average = average_covariance(family, seed, device)
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
            values = _errors(source, points, mixture, mean, cov, reference, bandwidth)
            values = {k: v.double().cpu().numpy() for k, v in values.items()}
            tables.append(pd.DataFrame({"set": part.rows, "source": source, **values}))
    return pd.concat(tables, ignore_index=True)


def _errors(source, points, mixture, mean, cov, reference, bandwidth) -> dict[str, Tensor]:
    """points, reference (b, n, d); true mean (b, d), cov (b, d, d); mixture (b,) MW2² or None; each value (b,)."""
    found_mean, found_cov = moments(points)
    mean, cov = mean.double(), cov.double()
    w2_mean = (found_mean - mean).norm(dim=-1)
    cov_squared = bures2(found_cov, cov)
    out = {"paper_metric": w2_mean + cov_squared if mixture is None else mixture}
    if reference is None:
        return out
    if mixture is None:
        w2 = (w2_mean**2 + cov_squared).sqrt()
    elif source == "point_mass":  # the only coupling sends every point to the mass
        w2 = (reference[:, :COMPARED] - points[:, :1]).square().sum(-1).mean(-1).sqrt()
    else:
        w2 = exact_w2(points[:, :COMPARED], reference[:, :COMPARED])
    relative = (found_cov - cov).norm(dim=(-2, -1)) / cov.norm(dim=(-2, -1))
    squared_mmd = mmd(points[:, :COMPARED], reference[:, :COMPARED], bandwidth)
    return out | {
        "w2": w2,
        "w2_mean": w2_mean,
        "w2_cov": cov_squared.sqrt(),
        "mmd": squared_mmd,
        "second_moment": relative,
    }


def _mixture_error(source: str, points: Tensor, params: dict[str, Tensor], other: dict[str, Tensor]) -> Tensor | None:
    """MW2² between the truth and the mixture that EM, started at the truth, fits to the points; (b,), or None.

    None for normal families. Exact, without EM: `point_mass`, which has a single coupling, and `other_set`, whose
    points lie far from where EM would start.
    """
    if "weight" not in params:
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


def median_distance(points: Tensor, at_most: int = 200) -> Tensor:
    """Median distance between the points of each set (b, n, d) -> (b,): the kernel width every source is judged by."""
    x = points[:, :at_most]
    i, j = torch.triu_indices(x.shape[1], x.shape[1], 1, device=x.device)
    return torch.cdist(x, x)[:, i, j].median(-1).values


def average_covariance(family: Any, seed: int, device: torch.device) -> Tensor:
    """Mean covariance (d, d) of the training law, from a seeded draw."""
    params = family.draw(AVERAGE_SETS, ShardRandom(seed, 0, stream="evaluate/average", device=device))
    return family.moments(params)[1].double().mean(0).float()


def _normal(mean: Tensor, cov: Tensor, n: int, rng: ShardRandom) -> Tensor:
    noise = rng.randn(len(mean), n, mean.shape[-1])
    return mean[:, None] + noise @ torch.linalg.cholesky(cov.double()).float().mT


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
