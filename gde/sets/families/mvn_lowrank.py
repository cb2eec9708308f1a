"""Multivariate normal distributions on low-dimensional planes of a high-dimensional space."""

from numbers import Integral, Real

import torch
from torch import Tensor

from gde.errors import bad
from gde.sets.families.mvn import check_mean_range
from gde.sets.random import ShardRandom


class MvnLowRank:
    """Normal distributions in `dim` dimensions: mean ~ U(mean_low, mean_high)^dim, covariance F F' of rank `rank`.

    The entries of F (dim, rank) are N(0, scale²).
    """

    def __init__(
        self, *, dim: int = 100, rank: int = 2, mean_low: float = 0.0, mean_high: float = 5.0, scale: float = 1.0
    ):
        if not (isinstance(dim, Integral) and dim >= 1):
            raise bad("dataset.dim", repr(dim), "an integer >= 1", "set the dimension of a sample")
        if not (isinstance(rank, Integral) and 1 <= rank <= dim):
            raise bad("dataset.rank", repr(rank), f"an integer from 1 to dim = {dim}", "lower it, or raise dim")
        if not (isinstance(scale, Real) and 0 < scale < float("inf")):
            raise bad(
                "dataset.scale", repr(scale), "a number > 0", "set the standard deviation of the factor's entries"
            )
        check_mean_range(mean_low, mean_high)
        self.dim, self.rank, self.scale = int(dim), int(rank), float(scale)
        self.mean_low, self.mean_high = float(mean_low), float(mean_high)

    def draw(self, b: int, rng: ShardRandom) -> dict[str, Tensor]:
        """Parameters of b distributions on rng's device: mean (b, d), factor (b, d, r), float32."""
        mean = self.mean_low + (self.mean_high - self.mean_low) * rng.rand(b, self.dim)
        return {"mean": mean, "factor": self.scale * rng.randn(b, self.dim, self.rank)}

    def sample(self, params: dict[str, Tensor], n: int, rng: ShardRandom) -> Tensor:
        """n samples of each distribution: (b, n, d) float32, from r normal numbers each."""
        noise = rng.randn(len(params["mean"]), n, self.rank)
        return torch.baddbmm(params["mean"][:, None], noise, params["factor"].mT)

    def moments(self, params: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """True means (b, d) and covariances (b, d, d), which are singular where rank < dim."""
        return params["mean"], params["factor"] @ params["factor"].mT

    def w2(self, params: dict[str, Tensor]) -> Tensor:
        """2-Wasserstein distances between all pairs, (b, b) float64, same unit as the samples."""
        from gde.distances.matrix import all_pairs

        return all_pairs(lambda i, j: self.pair_w2(params, i, j), len(params["mean"]), params["mean"].device)

    def pair_w2(self, params: dict[str, Tensor], i: Tensor, j: Tensor) -> Tensor:
        """2-Wasserstein distances (p,) float64 between distributions i and j (p,) of params."""
        from gde.distances.lowrank import lowrank_w2

        mean, factor = params["mean"], params["factor"]
        return lowrank_w2(mean[i], factor[i], mean[j], factor[j])
