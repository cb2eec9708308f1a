"""Does the distance between embeddings follow the distance between distributions?"""

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from gde.evaluate.metrics import bootstrap, record
from gde.evaluate.tables import DATA, LATENT

NEAREST = 0.2
TABLE_PAIRS = 20_000
COLUMNS = {
    "latent_distance": f"latent_distance {LATENT}",
    "w2": f"w2 {DATA}",
    "sample_mean_distance": f"sample_mean_distance {DATA}",
    "gaussian_w2_of_moments": f"gaussian_w2_of_moments {DATA}",
}
ANCHORS = ("sample_mean_distance", "gaussian_w2_of_moments")


def distances(points: np.ndarray) -> np.ndarray:
    """Euclidean distance matrix (s, s) of points (s, k), without the cancellation of the inner-product form."""
    from scipy.spatial.distance import pdist, squareform

    return squareform(pdist(np.asarray(points, dtype=float)))


def pearson(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson correlation; 0 where one of them is constant (nothing can be read from it)."""
    a, b = a - a.mean(), b - b.mean()
    norm = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / norm) if norm > 0 else 0.0


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    """Rank correlation, ties averaged."""
    return pearson(rankdata(a), rankdata(b))


def nearest(statistic):
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


def evaluate_geometry(
    matrices: dict[str, np.ndarray], rng: np.random.Generator, *, repeats: int
) -> tuple[dict[str, dict[str, Any]], pd.DataFrame]:
    """Correlation of latent distances with W2 over all pairs of sets, beside two anchors that need no training.

    matrices : `latent_distance`, `w2` and the ANCHORS, each (s, s).
    The interval resamples sets; pairs of a set with its own copy are left out.
    """
    s = len(matrices["w2"])
    i, j = np.triu_indices(s, 1)
    pairs = {name: matrix[i, j] for name, matrix in matrices.items()}
    metrics = {}
    for name, statistic in STATISTICS.items():

        def resampled(index: np.ndarray, statistic=statistic) -> float:
            a, b = index[i], index[j]
            a, b = a[a != b], b[a != b]
            return statistic(matrices["latent_distance"][a, b], matrices["w2"][a, b])

        metrics[name] = record(
            statistic(pairs["latent_distance"], pairs["w2"]),
            n=int(np.ceil(len(i) * NEAREST)) if name.endswith("nearest") else len(i),
            higher_is_better=True,
            ci=bootstrap(resampled, s, rng, repeats=repeats),
            baselines={anchor: statistic(pairs[anchor], pairs["w2"]) for anchor in ANCHORS},
            chance=0.0,
            ceiling=1.0,
        )
    shown = np.sort(rng.permutation(len(i))[:TABLE_PAIRS])
    table = pd.DataFrame({"set_1": i[shown], "set_2": j[shown]} | {c: pairs[k][shown] for k, c in COLUMNS.items()})
    return metrics, table
