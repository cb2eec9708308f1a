"""Poisson distributions."""

from numbers import Real

import torch
from torch import Tensor

from gde.errors import bad
from gde.sets.random import ShardRandom

LARGEST_RATE = 1e6  # its counts are exact in float32, which holds whole numbers up to 2**24


class Poisson:
    """Poisson distributions on 0, 1, 2, ...: rate ~ U(rate_low, rate_high)."""

    def __init__(self, *, rate_low: float = 1.0, rate_high: float = 10.0):
        numbers = isinstance(rate_low, Real) and isinstance(rate_high, Real)
        if not (numbers and 0 <= rate_low <= rate_high <= LARGEST_RATE and rate_high > 0):
            expected = f"0 <= rate_low <= rate_high, 0 < rate_high <= {LARGEST_RATE:g}"
            raise bad("dataset.rate_low", f"{rate_low!r} with rate_high {rate_high!r}", expected, "set them so")
        self.dim, self.rate_low, self.rate_high = 1, float(rate_low), float(rate_high)

    def draw(self, b: int, rng: ShardRandom) -> dict[str, Tensor]:
        """Parameters of b distributions on rng's device: rate (b, 1), float32."""
        return {"rate": self.rate_low + (self.rate_high - self.rate_low) * rng.rand(b, 1)}

    def sample(self, params: dict[str, Tensor], n: int, rng: ShardRandom) -> Tensor:
        """n counts of each distribution: (b, n, 1) float32."""
        rate = params["rate"]
        return rng.poisson(rate[..., None], len(rate), n, 1)

    def moments(self, params: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """True means (b, 1) and covariances (b, 1, 1): both are the rate."""
        return params["rate"], params["rate"][..., None]

    def w2(self, params: dict[str, Tensor]) -> Tensor:
        """2-Wasserstein distances between all pairs, (b, b) float64, in counts."""
        from gde.distances.matrix import all_pairs

        return all_pairs(lambda i, j: self.pair_w2(params, i, j), len(params["rate"]), params["rate"].device)

    def pair_w2(self, params: dict[str, Tensor], i: Tensor, j: Tensor) -> Tensor:
        """2-Wasserstein distances (p,) float64 between distributions i and j (p,) of params."""
        from gde.distances.integers import integer_w2

        first, cdf = cumulative(params["rate"][:, 0].double())
        return integer_w2(first[i], cdf[i], first[j], cdf[j])


def cumulative(rate: Tensor) -> tuple[Tensor, Tensor]:
    """Distribution functions of Poisson(rate) where they rise: rate (b,) -> first (b,) int64 and cdf (b, k) float64.

    cdf[i, m] = P(X_i <= first_i + m), the last one 1. Less than 1e-13 of the mass lies outside on each side (Bernstein:
    P(X > rate + t) <= exp(-t² / 2(rate + t / 3)), and below without the t / 3).
    """
    bits = 30.0  # -log(1e-13)
    below = (2 * bits * rate).sqrt()
    above = bits / 3 + (bits**2 / 9 + 2 * bits * rate).sqrt()
    first = (rate - below).floor().clamp_min(0).long()
    size = int((rate + above - first).max().ceil()) + 1
    k = first[:, None] + torch.arange(size, device=rate.device)  # (b, k)
    cdf = torch.special.gammaincc(k + 1.0, rate[:, None].expand(k.shape))  # P(X <= k)
    cdf[:, -1] = 1.0
    return first, cdf
