"""Mixtures of normal distributions."""

from numbers import Integral, Real

import torch
from torch import Tensor

from gde.errors import bad
from gde.sets.families.mvn import check_mean_range, check_wishart, inverse_wishart, root
from gde.sets.random import ShardRandom


class Gmm:
    """Mixtures of `components` normals (means and covariances as in `Mvn`), weights ~ Dirichlet(alpha, ..., alpha)."""

    def __init__(
        self,
        *,
        dim: int = 2,
        mean_low: float = 0.0,
        mean_high: float = 5.0,
        df: int = 10,
        components: int = 3,
        alpha: float = 1.0,
    ):
        check_wishart(dim, df)
        check_mean_range(mean_low, mean_high)
        if not (isinstance(components, Integral) and components >= 1):
            raise bad(
                "dataset.components", repr(components), "an integer >= 1", "set the number of normals in a mixture"
            )
        if not (isinstance(alpha, Real) and 0 < alpha < float("inf")):
            raise bad("dataset.alpha", repr(alpha), "a number > 0", "1 draws weights uniformly from the simplex")
        self.dim, self.mean_low, self.mean_high, self.df = int(dim), float(mean_low), float(mean_high), int(df)
        self.components, self.alpha = int(components), float(alpha)

    def draw(self, b: int, rng: ShardRandom) -> dict[str, Tensor]:
        """Parameters of b mixtures on rng's device: mean (b, k, d), cov (b, k, d, d), weight (b, k), float32."""
        k, d = self.components, self.dim
        mean = self.mean_low + (self.mean_high - self.mean_low) * rng.rand(b, k, d)
        cov = inverse_wishart(b, k, d, self.df, rng)
        gamma = rng.gamma(self.alpha, b, k)
        return {"mean": mean, "cov": cov, "weight": gamma / gamma.sum(1, keepdim=True)}

    def sample(self, params: dict[str, Tensor], n: int, rng: ShardRandom) -> Tensor:
        """n independent samples of each mixture: (b, n, d) float32."""
        mean, cov, weight = params["mean"], params["cov"], params["weight"]
        b, k, d = mean.shape
        roots = root(cov).mT  # (b, k, d, d)
        u, noise = rng.rand(b, n), rng.randn(b, n, d)
        component = torch.searchsorted(weight.cumsum(1)[:, :-1].contiguous(), u, right=True)  # (b, n) in 0..k-1
        # Every component transforms every noise vector: k times the work of a gather, a d-th of its memory traffic.
        x = torch.baddbmm(mean[:, :1], noise, roots[:, 0])
        for j in range(1, k):
            x = torch.where((component == j)[..., None], torch.baddbmm(mean[:, j : j + 1], noise, roots[:, j]), x)
        return x

    def moments(self, params: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """True overall means (b, d) and covariances (b, d, d) of the mixtures."""
        weight = params["weight"][..., None]  # (b, k, 1)
        mean = (weight * params["mean"]).sum(1)
        centred = params["mean"] - mean[:, None]
        return mean, (weight[..., None] * params["cov"]).sum(1) + (weight * centred).mT @ centred

    def w2(self, params: dict[str, Tensor]) -> Tensor:
        """MW2 distances between all pairs, (b, b) float64: optimal coupling of components under Gaussian W2.

        An upper bound of the 2-Wasserstein distance (Delon & Desolneux 2020), which has no closed form for mixtures.
        """
        from gde.distances.mixture import mw2_matrix

        return mw2_matrix(params["weight"].double(), params["mean"].double(), params["cov"].double())

    def pair_w2(self, params: dict[str, Tensor], i: Tensor, j: Tensor) -> Tensor:
        """MW2 distances (p,) float64 between mixtures i and j (p,) of params."""
        from gde.distances.mixture import mw2

        names = ("weight", "mean", "cov")
        return mw2(*(params[name][i] for name in names), *(params[name][j] for name in names))
