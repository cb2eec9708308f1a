"""Poisson counts: how well is P(X = 0) of a Poisson distribution known from n samples? Generated counts beside the
classical estimators."""

from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from gde.evaluate.shared.context import Context
from gde.evaluate.shared.metrics import bootstrap, record
from gde.evaluate.simulated.sets import chunks
from gde.sets.random import ShardRandom

SIZES = (10, 100, 1000, 10000)
NODES = 256  # of the quadrature
REACH = 12  # standard deviations of the posterior that the quadrature covers
BLOCK = 1000  # points generated at a time for one set
PER_SAMPLE = 10  # points generated for each sample given, up to the number asked for


def naive(x: np.ndarray) -> np.ndarray:
    """Share of zeros of counts x (b, n), (b,)."""
    return (x == 0).mean(1)


def rao_blackwell(total: np.ndarray, n: int) -> np.ndarray:
    """The unbiased estimator of least variance, ((n - 1) / n)^T with T (b,) the sum of n counts (Rao 1945)."""
    return (1 - 1 / n) ** total


def posterior_mean(total: np.ndarray, n: int, low: float, high: float) -> np.ndarray:
    """Mean of exp(-rate) given the sum T (b,) of n counts when rates are U(low, high): the least mean squared error.

    Gauss-Legendre quadrature of the posterior, proportional to rate^T exp(-n rate), where it is not negligible.
    """
    x, weight = np.polynomial.legendre.leggauss(NODES)
    reach = (REACH * np.sqrt(total + 1) + 40) / n  # the 40: exp(-40) of the likelihood below T = 0
    a, b = (np.clip(total / n + side * reach, low, high)[:, None] for side in (-1, 1))
    rate = (a + b) / 2 + (b - a) / 2 * x  # (b, NODES)
    with np.errstate(divide="ignore"):
        log = np.where(total[:, None] > 0, total[:, None] * np.log(rate), 0.0) - n * rate
    density = weight * np.exp(log - log.max(1, keepdims=True))
    return (density * np.exp(-rate)).sum(1) / density.sum(1)


def blocks_of(probability: np.ndarray, draws: float) -> np.ndarray:
    """How many blocks of points to generate for each set (b,), so that `draws` blocks on average tell most.

    The squared noise of counting, summed over sets, is least for numbers proportional to (p (1 - p))^(2/3).
    """
    need = (probability * (1 - probability)) ** (2 / 3)
    return np.maximum(1, np.round(draws * need / max(need.mean(), 1e-300))).astype(int)


def generated_zeros(model: Any, z: Tensor, blocks: np.ndarray, block: int, draw: torch.Generator) -> np.ndarray:
    """Share of zeros (b,) among blocks (b,) x block points generated from each embedding z (b, l).

    A point below 1/2 has 0 as its nearest count.
    """
    which = np.repeat(np.arange(len(z)), blocks)
    zeros = [
        (model.sample(z[which[part]], block, generator=draw)[..., 0] < 0.5).sum(1).cpu().numpy()
        for part in chunks(len(which), block)
    ]
    return np.bincount(which, np.concatenate(zeros), len(z)) / (blocks * block)


def evaluate_poisson(ctx: Context, family: Any, rate: Tensor) -> tuple[dict[str, dict[str, Any]], pd.DataFrame]:
    """Mean squared error of the share of zeros among generated samples, given sets of SIZES samples of rates (s, 1).

    evaluation.poisson_draws : mean number of points generated per set, at most PER_SAMPLE n; most where the truth is
    hardest to count.   evaluation.poisson_replicates : sets of each size and rate.
    Counting adds p (1 - p) / draws to the squared error, whose unbiased estimate is taken off: the value is that of an
    endless draw, from far fewer points. Baselines on the same sets: `naive`, `rao_blackwell` and `bayes`, the posterior
    mean under the training distribution. No estimator has a lower expected error under that distribution than the last:
    it is the ceiling. Intervals resample rates.
    """
    model, seed, repeats = ctx.model, ctx.seed, ctx.repeats
    draws, replicates = ctx.options["poisson_draws"], ctx.options["poisson_replicates"]
    s, device = len(rate), rate.device
    draw, rng = ctx.generator("poisson/generate"), ctx.random("poisson")
    truth = np.repeat(np.exp(-rate[:, 0].double().cpu().numpy()), replicates)
    repeated = rate.repeat_interleave(replicates, 0)
    metrics, rows = {}, []
    for n in SIZES:
        block = min(BLOCK, draws)
        blocks = blocks_of(truth, min(draws, max(BLOCK, PER_SAMPLE * n)) / block)
        found: dict[str, list[np.ndarray]] = {"model": [], "naive": [], "rao_blackwell": [], "bayes": []}
        for part in chunks(len(repeated), n):
            stream = ShardRandom(seed, part.start, stream=f"evaluate/poisson/{n}", device=device)
            x = family.sample({"rate": repeated[part]}, n, stream)
            counts = x[..., 0].double().cpu().numpy()
            total = counts.sum(1)
            found["model"].append(generated_zeros(model, model.encode(x), blocks[part], block, draw))
            found["naive"].append(naive(counts))
            found["rao_blackwell"].append(rao_blackwell(total, n))
            found["bayes"].append(posterior_mean(total, n, family.rate_low, family.rate_high))
        p = {name: np.concatenate(v) for name, v in found.items()}
        squared = {name: (v - truth) ** 2 for name, v in p.items()}
        squared["model"] -= p["model"] * (1 - p["model"]) / (blocks * block - 1)
        by_rate = {name: v.reshape(s, replicates).mean(1) for name, v in squared.items()}
        errors = {name: v.mean() for name, v in by_rate.items()}
        intervals = {}
        for name, v in by_rate.items():
            intervals[name] = bootstrap(lambda i, v=v: v[i].mean(), s, rng, repeats=repeats)
            rows.append((n, name, errors[name], *intervals[name]))
        metrics[f"poisson/mse_n{n}"] = record(
            errors["model"],
            n=s * replicates,
            higher_is_better=False,
            ci=intervals["model"],
            baselines={name: errors[name] for name in ("naive", "rao_blackwell", "bayes")},
            ceiling=errors["bayes"],
            units=s,
        )
    columns = ["n_samples [1]", "source", "mse [1]", "mse_low [1]", "mse_high [1]"]
    return metrics, pd.DataFrame(rows, columns=columns)
