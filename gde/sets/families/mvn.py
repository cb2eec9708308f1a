"""Multivariate normal distributions with uniform means and inverse-Wishart covariances."""

from numbers import Integral, Real

import torch
from torch import Tensor

from gde.errors import bad
from gde.sets.random import ShardRandom


def check_mean_range(low: float, high: float) -> None:
    """GdeError unless low <= high, both finite."""
    if not (isinstance(low, Real) and isinstance(high, Real) and -float("inf") < low <= high < float("inf")):
        raise bad(
            "dataset.mean_low", f"{low!r} with mean_high {high!r}", "finite mean_low <= mean_high", "swap or set them"
        )


def check_wishart(dim: int, df: int) -> None:
    """GdeError unless the inverse Wishart distribution of `dim` dimensions and `df` degrees of freedom has a mean."""
    if not (isinstance(dim, Integral) and dim >= 1):
        raise bad("dataset.dim", repr(dim), "an integer >= 1", "set the dimension of a sample")
    if not (isinstance(df, Integral) and df > dim + 1):
        raise bad(
            "dataset.df",
            repr(df),
            f"an integer > dim + 1 = {dim + 1}",
            "raise df: below it the mean covariance is infinite",
        )


def inverse_wishart(b: int, k: int, dim: int, df: int, rng: ShardRandom) -> Tensor:
    """Covariances (b, k, dim, dim), the inverses of Wishart(df, I) matrices; their mean is I / (df - dim - 1).

    Bartlett: Wishart(df, I) = A A' with A lower triangular, A_ii² ~ chi²(df - i), A_ij ~ N(0, 1) below the diagonal.
    The same distribution as the sum of df outer products of normal vectors, from d² numbers instead of df·d.
    """
    chi2 = 2 * rng.gamma((df - torch.arange(dim, dtype=torch.float32, device=rng.device)) / 2, b, k, dim)
    a = rng.randn(b, k, dim, dim).tril(-1) + torch.diag_embed(chi2.sqrt())
    inverse = torch.linalg.solve_triangular(a, torch.eye(dim, device=rng.device).expand_as(a), upper=False)
    return inverse.mT @ inverse


def root(cov: Tensor) -> Tensor:
    """Lower Cholesky factors (..., d, d) of covariances, float32; float64 inside, for df close to dim.

    Raises torch.linalg.LinAlgError for a matrix that is not positive definite.
    """
    if cov.shape[-1] == 1:
        return cov.sqrt()
    return torch.linalg.cholesky(cov.double()).float()


class Mvn:
    """Normal distributions in `dim` dimensions: mean ~ U(mean_low, mean_high)^dim, covariance ~ Wishart(df, I)^-1."""

    def __init__(self, *, dim: int = 2, mean_low: float = 0.0, mean_high: float = 5.0, df: int = 10):
        check_wishart(dim, df)
        check_mean_range(mean_low, mean_high)
        self.dim, self.mean_low, self.mean_high, self.df = int(dim), float(mean_low), float(mean_high), int(df)

    def draw(self, b: int, rng: ShardRandom) -> dict[str, Tensor]:
        """Parameters of b distributions on rng's device: mean (b, d), cov (b, d, d), float32."""
        mean = self.mean_low + (self.mean_high - self.mean_low) * rng.rand(b, self.dim)
        return {"mean": mean, "cov": inverse_wishart(b, 1, self.dim, self.df, rng)[:, 0]}

    def sample(self, params: dict[str, Tensor], n: int, rng: ShardRandom) -> Tensor:
        """n samples of each distribution: (b, n, d) float32."""
        noise = rng.randn(len(params["mean"]), n, self.dim)
        return torch.baddbmm(params["mean"][:, None], noise, root(params["cov"]).mT)

    def moments(self, params: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """True means (b, d) and covariances (b, d, d)."""
        return params["mean"], params["cov"]

    def w2(self, params: dict[str, Tensor]) -> Tensor:
        """2-Wasserstein distances between all pairs, (b, b) float64, same unit as the samples."""
        from gde.distances.gaussian import gaussian_w2_matrix

        return gaussian_w2_matrix(params["mean"].double(), params["cov"].double())

    def pair_w2(self, params: dict[str, Tensor], i: Tensor, j: Tensor) -> Tensor:
        """2-Wasserstein distances (p,) float64 between distributions i and j (p,) of params."""
        from gde.distances.gaussian import gaussian_w2

        mean, cov = params["mean"], params["cov"]
        return gaussian_w2(mean[i], cov[i], mean[j], cov[j])
