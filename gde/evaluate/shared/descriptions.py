"""Descriptions of sets of vectors that need no training: what an embedding has to beat where labels are read."""

from collections.abc import Sequence
from typing import Any

import numpy as np

CELLS = 5_000  # training samples that clusters and components are fitted on
CLUSTERS = 16
WIDTH = 30  # principal components of the samples behind the second moments
DESCRIPTIONS = ("pseudobulk_mean", "mean_sd", "composition", "pca_of_moments")


class Descriptions:
    """Fitted on samples that train (n, d), never on held-out ones.

    pseudobulk_mean : mean of the set.   mean_sd : mean and standard deviation of every feature.   composition : shares
    of CLUSTERS k-means clusters.   pca_of_moments : mean and upper triangle of the covariance on WIDTH principal
    components of the samples, to be reduced to `length` principal components of sets by `reduced`.
    """

    def __init__(self, samples: np.ndarray, *, seed: int):
        from sklearn.cluster import KMeans

        samples = np.asarray(samples, dtype=float)
        k = max(1, min(CLUSTERS, len(samples) // 10))
        self.clusters = KMeans(k, n_init=3, random_state=seed % 2**32).fit(samples).cluster_centers_
        self.centre = samples.mean(0)
        self.axes = np.linalg.svd(samples - self.centre, full_matrices=False)[2][:WIDTH].T  # (d, k)
        self.upper = np.triu_indices(self.axes.shape[1])

    def of(self, sets: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """DESCRIPTIONS of sets (n, d) of any sizes, each (s, p); the moments are not reduced yet."""
        rows = [self._one(np.asarray(x, dtype=float)) for x in sets]
        return {name: np.stack([row[i] for row in rows]) for i, name in enumerate(DESCRIPTIONS)}

    def _one(self, x: np.ndarray) -> tuple[np.ndarray, ...]:
        mean = x.mean(0)
        nearest = (np.square(self.clusters).sum(1) - 2 * x @ self.clusters.T).argmin(1)
        share = np.bincount(nearest, minlength=len(self.clusters)) / len(x)
        y = (x - mean) @ self.axes
        moments = np.concatenate([(mean - self.centre) @ self.axes, (y.T @ y / len(x))[self.upper]])
        return mean, np.concatenate([mean, x.std(0)]), share, moments


def principal_axes(x: np.ndarray, length: int) -> np.ndarray:
    """At most `length` principal directions (p, k) of x (n, p)."""
    return np.linalg.svd(x - x.mean(0), full_matrices=False)[2][:length].T


def training_samples(store: Any, rng: np.random.Generator) -> np.ndarray:
    """About CELLS samples (n, d) of the groups that train, as many of each as it has a share in all, flattened."""
    rows = store.select(split="train")
    sizes = store.sizes[rows]
    share = min(1.0, CELLS / sizes.sum())
    parts = []
    for g, size in zip(rows, sizes, strict=True):
        take = rng.permutation(size)[: rng.binomial(size, share) if share < 1 else size]
        if len(take):
            parts.append(np.asarray(store.read(g))[np.sort(take)])
    x = np.concatenate(parts)
    return x.reshape(len(x), -1)
