"""Distance correlation: how distances of embeddings follow distances of distributions, over all pairs of sets."""

from collections.abc import Callable
from typing import Any

import numpy as np

from gde.evaluate.shared.metrics import bootstrap, record

Statistic = Callable[[np.ndarray, np.ndarray], float]


def pearson(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson correlation; 0 where one of them is constant (nothing can be read from it)."""
    a, b = a - a.mean(), b - b.mean()
    norm = np.sqrt((a * a).sum() * (b * b).sum())  # a dot product would wake threads, a thousand times
    return float((a * b).sum() / norm) if norm > 0 else 0.0


def ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1, ties averaged. scipy.stats has this too, but takes half a second of every job to import.

    values : (n,).   returns (n,) float64.
    """
    _, index, count = np.unique(values, return_inverse=True, return_counts=True)
    return (count.cumsum() - (count - 1) / 2)[index]


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    """Rank correlation, ties averaged."""
    return pearson(ranks(a), ranks(b))


def distances(points: np.ndarray) -> np.ndarray:
    """Euclidean distance matrix (s, s) of points (s, k), without the cancellation of the inner-product form."""
    from scipy.spatial.distance import pdist, squareform

    return squareform(pdist(np.asarray(points, dtype=float)))


def correlation(
    statistic: Statistic, matrices: dict[str, np.ndarray], rng: np.random.Generator, *, repeats: int, share: float = 1.0
) -> dict[str, Any]:
    """Record of how latent distances correlate with W2 over all pairs of sets, beside the anchors.

    matrices : `latent_distance`, `w2` and the anchors, each (s, s).   share : of the pairs that the statistic uses.
    The interval resamples sets; pairs of a set with its own copy are left out.
    """
    s = len(matrices["w2"])
    i, j = np.triu_indices(s, 1)
    w2, latent = matrices["w2"], matrices["latent_distance"]

    def resampled(index: np.ndarray) -> float:
        a, b = index[i], index[j]
        a, b = a[a != b], b[a != b]
        return statistic(latent[a, b], w2[a, b])

    anchors = {k: v for k, v in matrices.items() if k not in ("latent_distance", "w2")}
    return record(
        statistic(latent[i, j], w2[i, j]),
        n=int(np.ceil(len(i) * share)),
        higher_is_better=True,
        ci=bootstrap(resampled, s, rng, repeats=repeats),
        baselines={name: statistic(matrix[i, j], w2[i, j]) for name, matrix in anchors.items()},
        chance=0.0,
        ceiling=1.0,
        units=s,
    )
