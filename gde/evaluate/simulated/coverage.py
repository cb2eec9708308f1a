"""Do intervals built from the exported standard errors hold the embedding of the distribution as often as they say?"""

from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from gde.embed import encode_pieces, standard_errors, t_quantile
from gde.evaluate.shared.metrics import bootstrap, record
from gde.evaluate.simulated.sets import fresh_sets
from gde.sets.random import seed_of

SIZES = (100, 300, 1000)
LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
LEVEL = 0.95
NORMAL = 1.959963984540054  # the quantile that takes an estimated standard error for the true one
ROUNDING = 1e-6  # of the largest coordinate: float32
DISTRIBUTIONS = 8
LIMIT_SETS, LIMIT_SIZE = 32, 4096  # sets whose mean embedding stands for the distribution's


def limit(model: Any, family: Any, params: dict[str, Tensor], n_sets: int, seed: int) -> np.ndarray:
    """Embeddings (s, l) of the distributions themselves: means over `n_sets` sets of LIMIT_SIZE samples.

    The mean over 32 sets is off by a tenth of the standard error at 1000 samples, which lowers the coverage there by
    .001; the bias of sets of 4096 samples is less than that.
    """
    repeated = {k: v.repeat_interleave(n_sets, 0) for k, v in params.items()}
    sets = fresh_sets(family, repeated, LIMIT_SIZE, seed=seed, stream="coverage/limit")
    z = torch.cat([encode_pieces(model, x) for x in sets])
    return z.double().unflatten(0, (-1, n_sets)).mean(1).cpu().numpy()


def evaluate_coverage(
    model: Any, family: Any, params: dict[str, Tensor], *, replicates: int, seed: int, repeats: int
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Share of 95 % intervals (embedding ± `t_quantile` standard errors, `gde.embed`) that hold the distribution's.

    Mean over coordinates, SIZES, `replicates` fresh sets of each size, and the first DISTRIBUTIONS of `params`
    (leading axis s). The bias of embeddings of finite sets counts: the truth is the limit. Baseline
    `normal_quantile`: intervals of 1.96 standard errors. The interval of the metric resamples distributions.
    The table has the coverage at every nominal level of LEVELS, by size and coordinate.
    """
    params = {k: v[:DISTRIBUTIONS] for k, v in params.items()}
    n_sets = min(LIMIT_SETS, 2 * replicates)  # a check with few replicates is rough in any case
    truth = limit(model, family, params, n_sets, seed)  # (s, l)
    s, rng = len(truth), np.random.default_rng(seed_of(seed, "evaluate/coverage"))
    repeated = {k: v.repeat_interleave(replicates, 0) for k, v in params.items()}
    away = []  # how many standard errors the embedding is from the truth
    for size in SIZES:
        parts = []
        for x in fresh_sets(family, repeated, size, seed=seed, stream=f"coverage/{size}"):
            parts.append((encode_pieces(model, x).double().cpu().numpy(), standard_errors(model, x)))
        z, se = (np.concatenate(v).reshape(s, replicates, -1) for v in zip(*parts, strict=True))
        gap = np.abs(z - truth[:, None])
        gap[gap <= ROUNDING * np.abs(truth).max()] = 0.0  # coordinates that are constant, so that se is 0
        away.append(np.divide(gap, se, out=np.where(gap > 0, np.inf, 0.0), where=se > 0))
    away = np.stack(away)  # (sizes, s, r, l)
    limits = t_quantile(np.array(SIZES)).reshape(-1, 1, 1, 1)
    held = (away <= limits).mean((0, 2, 3))  # (s,)
    metric = record(
        held.mean(),
        n=away[..., 0].size,
        target=LEVEL,
        ci=bootstrap(lambda i: held[i].mean(), s, rng, repeats=repeats),
        baselines={"normal_quantile": (away <= NORMAL).mean()},
        ceiling=LEVEL,
        units=s,
    )
    rows = [
        (size, level, coordinate, share)
        for size, own in zip(SIZES, away, strict=True)
        for level in LEVELS
        for coordinate, share in enumerate((own <= t_quantile(size, level)).mean((0, 1)))
    ]
    columns = ["n_samples [1]", "nominal [1]", "coordinate [1]", "coverage [1]"]
    return metric, pd.DataFrame(rows, columns=columns)
