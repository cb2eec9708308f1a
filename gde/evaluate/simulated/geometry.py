"""Geometry: does the distance between embeddings follow the distance between distributions?"""

from typing import Any

import numpy as np
import pandas as pd
import torch

from gde.distances.exact import exact_w2
from gde.embed import encode_pieces
from gde.evaluate.shared.context import Context, Results
from gde.evaluate.shared.distance_correlation import Statistic, correlation, distances, pearson, spearman
from gde.evaluate.shared.tables import DATA, LATENT
from gde.evaluate.simulated.baselines import Anchors, Params
from gde.evaluate.simulated.sets import Sets, chunks, fresh_sets, read_sets
from gde.sets.random import ShardRandom

NEAREST = 0.2
TABLE_PAIRS = 20_000
EXACT_POINTS = 500
EXACT_PAIRS = 64  # solved together
UNITS = {"kernel_mean": "[1]", "pca_of_moments": "[mixed units]", "latent_distance": LATENT}


def nearest(statistic: Statistic) -> Statistic:
    """The same statistic on the NEAREST share of the pairs, by the second argument."""

    def on_nearest(a: np.ndarray, b: np.ndarray) -> float:
        keep = b <= np.quantile(b, NEAREST)
        return statistic(a[keep], b[keep])

    return on_nearest


STATISTICS = {
    "geometry/w2_spearman": spearman,
    "geometry/w2_pearson": pearson,
    "geometry/w2_spearman_nearest": nearest(spearman),
}


def pair_table(matrices: dict[str, np.ndarray], rng: np.random.Generator) -> pd.DataFrame:
    """All distances of at most TABLE_PAIRS pairs of sets, chosen at random."""
    i, j = np.triu_indices(len(matrices["w2"]), 1)
    shown = np.sort(rng.permutation(len(i))[:TABLE_PAIRS])
    columns = {f"{name} {UNITS.get(name, DATA)}": matrix[i, j][shown] for name, matrix in matrices.items()}
    return pd.DataFrame({"set_1": i[shown], "set_2": j[shown]} | columns)


def evaluate_geometry(ctx: Context, family: Any, sets: Sets, *, exact_sets: int) -> Results:
    """Correlation of latent distances with the family's W2 between the stored sets, all pairs and the nearest.

    exact_sets : for mixtures, whose W2 has no closed form, this many sets are also compared by exact optimal transport
    on EXACT_POINTS of their samples.
    """
    store, seed, repeats, rng = ctx.store, ctx.seed, ctx.repeats, ctx.rng
    samples = (read_sets(store, sets.rows[part]) for part in chunks(len(sets.rows), sets.size))
    anchors = Anchors(family, sets.z.shape[1], seed=seed, device=sets.z.device)
    matrices = {
        "latent_distance": distances(sets.z.double().cpu().numpy()),
        "w2": family.w2(sets.params).cpu().numpy(),
        **anchors.matrices(samples),
    }
    metrics = {
        name: correlation(statistic, matrices, rng, repeats=repeats, share=NEAREST if "nearest" in name else 1.0)
        for name, statistic in STATISTICS.items()
    }
    tables = {"geometry": pair_table(matrices, rng)}
    if exact_sets:
        some = {k: v[:exact_sets, :exact_sets] for k, v in matrices.items()}
        some["w2"] = exact_matrix(read_sets(store, sets.rows[:exact_sets])[:, :EXACT_POINTS])
        metrics["geometry/exact_w2_spearman"] = correlation(spearman, some, rng, repeats=repeats)
        tables["geometry_exact"] = pair_table(some, rng)
    return metrics, tables


def exact_matrix(x: torch.Tensor) -> np.ndarray:
    """W2 between all pairs of point clouds x (s, n, d) by exact optimal transport, (s, s)."""
    i, j = np.triu_indices(len(x), 1)
    out = np.zeros((len(x), len(x)))
    for start in range(0, len(i), EXACT_PAIRS):
        a, b = i[start : start + EXACT_PAIRS], j[start : start + EXACT_PAIRS]
        out[a, b] = out[b, a] = exact_w2(x[a], x[b]).numpy()
    return out


def centred(family: Any, params: Params) -> Params:
    """The same shapes (covariances, components, weights) with every overall mean at the centre of the distribution."""
    centre = (family.mean_low + family.mean_high) / 2
    overall = family.moments(params)[0]  # (s, d)
    shift = (centre - overall).reshape(len(overall), *[1] * (params["mean"].ndim - 2), -1)
    return params | {"mean": params["mean"] + shift}


def evaluate_equal_means(ctx: Context, family: Any, sets: Sets) -> tuple[dict[str, Any], pd.DataFrame]:
    """Rank correlation between fresh distributions that differ in shape only: as many and as large as `sets`.

    Families with a `mean` parameter only. The anchors are fitted on distributions moved alike.
    """
    model, seed, repeats, rng = ctx.model, ctx.seed, ctx.repeats, ctx.rng
    device = sets.z.device
    rng_params = ShardRandom(seed, 0, stream="evaluate/equal_means", device=device)
    params = centred(family, family.draw(len(sets.rows), rng_params))
    anchors = Anchors(family, sets.z.shape[1], seed=seed, device=device, move=lambda p: centred(family, p))
    z, parts = [], []
    for x in fresh_sets(family, params, sets.size, seed=seed, stream="equal_means"):
        z.append(encode_pieces(model, x))
        parts.append(anchors.embed(x))
    matrices = {
        "latent_distance": distances(torch.cat(z).double().cpu().numpy()),
        "w2": family.w2(params).cpu().numpy(),
        **anchors.between(parts),
    }
    return correlation(spearman, matrices, rng, repeats=repeats), pair_table(matrices, rng)
