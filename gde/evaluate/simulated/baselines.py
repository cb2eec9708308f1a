"""Embeddings that need no training: what the geometry of a trained one has to beat.

The sample mean stands for the `mean` encoder too, whose embedding is a linear map of it.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gde.distances.exact import exact_ot_plan
from gde.distances.gaussian import gaussian_w2_matrix
from gde.distances.lowrank import lowrank_w2
from gde.distances.matrix import all_pairs
from gde.evaluate.shared.bandwidth import median_distance
from gde.evaluate.shared.distance_correlation import distances
from gde.evaluate.simulated.reconstruction import moments
from gde.sets.random import ShardRandom

ANCHORS = ("sample_mean_distance", "gaussian_w2_of_moments", "kernel_mean", "pca_of_moments", "lot")
FITTED_SETS = 512  # distributions of the training distribution behind the principal components
FREQUENCIES = 256  # random Fourier features: a cosine and a sine each
REFERENCE = 256  # points of the cloud that linearised transport starts from
TRANSPORTED = 1000  # points of a set it goes to: its time grows with their number
SINGULAR = 1e-5  # eigenvalues below this share of the largest are rounding errors of float32 samples
Params = dict[str, Tensor]


class Anchors:
    """Trivial embeddings fitted on draws of a distribution, as a model is trained on them. All distances are Euclidean,
    but for `gaussian_w2_of_moments`.

    sample_mean_distance    mean of the set
    gaussian_w2_of_moments  Gaussian W2 between the sets' means and covariances
    kernel_mean             mean of random Fourier features of the Gaussian kernel: the distance is MMD (Rahimi & Recht
                            2007), bandwidth the median distance of pooled samples
    pca_of_moments          mean and upper triangle of the covariance, on `length` principal components of the true ones
    lot                     linearised optimal transport: displacement of REFERENCE pooled samples under the
                            barycentric projection of the exact transport to the set (Wang et al. 2013)
    """

    def __init__(
        self,
        family: Any,
        length: int,
        *,
        seed: int,
        device: torch.device,
        move: Callable[[Params], Params] = lambda params: params,
    ):
        rng = ShardRandom(seed, 0, stream="evaluate/anchors", device=device)
        params = move(family.draw(FITTED_SETS, rng))
        self.cloud = family.sample({k: v[:REFERENCE] for k, v in params.items()}, 1, rng)[:, 0]  # (m, d)
        width = median_distance(self.cloud[None], REFERENCE)
        self.frequencies = rng.randn(self.cloud.shape[1], FREQUENCIES) / width
        features = _upper(*(v.double() for v in family.moments(params)))
        _, _, directions = torch.linalg.svd(features - features.mean(0), full_matrices=False)
        self.components = directions[:length].mT

    def embed(self, x: Tensor) -> dict[str, np.ndarray]:
        """Sets x (b, n, d) -> mean (b, d), cov (b, d, d), kernel_mean, pca_of_moments and lot (b, ·), float64."""
        mean, cov = moments(x)
        angles = (points @ self.frequencies for points in x)  # a set at a time: (n, 256) is large
        kernel = torch.stack([torch.cat([a.cos().mean(0), a.sin().mean(0)]) for a in angles]) / FREQUENCIES**0.5
        out = {"mean": mean, "cov": cov, "kernel_mean": kernel.double()}
        out["pca_of_moments"] = _upper(mean, cov) @ self.components
        return {k: v.cpu().numpy() for k, v in out.items()} | {"lot": self._transported(x)}

    def matrices(self, samples: Iterable[Tensor]) -> dict[str, np.ndarray]:
        """Distances (s, s) of every anchor between the sets given in chunks (b, n, d)."""
        return self.between([self.embed(x.to(self.cloud.device)) for x in samples])

    @staticmethod
    def between(parts: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        """Distances (s, s) of every anchor between the sets that `embed` was given in `parts`."""
        whole = {k: np.concatenate([p[k] for p in parts]) for k in parts[0]}
        mean, cov = whole.pop("mean"), whole.pop("cov")
        out = {"sample_mean_distance": distances(mean), "gaussian_w2_of_moments": moments_w2(mean, cov)}
        return out | {k: distances(v) for k, v in whole.items()}

    def _transported(self, x: Tensor) -> np.ndarray:
        """Where the reference points go, (b, m d) / m^1/2: its Euclidean distance is the root mean square of theirs."""
        cloud = self.cloud.cpu().double().numpy()

        def one(points: np.ndarray) -> np.ndarray:
            distinct, repeats = np.unique(points, axis=0, return_counts=True)  # counts take few values
            plan = exact_ot_plan(cloud, distinct, None, repeats.astype(float))
            return (plan @ distinct).ravel() * len(cloud) ** 0.5  # rows of a plan sum to 1 / m

        sets = x[:, :TRANSPORTED].cpu().double().numpy()
        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            return np.stack(list(pool.map(one, sets)))


def moments_w2(mean: np.ndarray, cov: np.ndarray) -> np.ndarray:
    """Gaussian W2 between all pairs of means (s, d) and covariances (s, d, d), (s, s).

    Covariances of low rank are compared by their factors, which in 100 dimensions is some hundred times faster.
    """
    mean, cov = torch.from_numpy(mean), torch.from_numpy(cov)
    values, vectors = torch.linalg.eigh(cov)
    rank = int((values > SINGULAR * values[:, -1:]).sum(1).max())
    if 2 * rank > cov.shape[-1]:
        return gaussian_w2_matrix(mean, cov).numpy()
    factor = vectors[..., -max(rank, 1) :] * values[:, None, -max(rank, 1) :].clamp_min(0).sqrt()
    return all_pairs(lambda i, j: lowrank_w2(mean[i], factor[i], mean[j], factor[j]), len(mean), mean.device).numpy()


def _upper(mean: Tensor, cov: Tensor) -> Tensor:
    """Means (s, d) beside the upper triangles of covariances (s, d, d): (s, d + d (d + 1) / 2)."""
    i, j = torch.triu_indices(cov.shape[-1], cov.shape[-1], device=cov.device)
    return torch.cat([mean, cov[:, i, j]], 1)
