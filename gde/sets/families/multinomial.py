"""Multinomial distributions."""

from collections.abc import Sequence
from numbers import Integral, Real

import torch
from torch import Tensor

from gde.errors import bad
from gde.sets.random import ShardRandom


class Multinomial:
    """Counts of `trials` draws from `categories` categories: probabilities ~ Dirichlet(alpha).

    alpha : one number > 0 per category, or one for all of them.
    """

    def __init__(self, *, categories: int = 3, trials: int = 20, alpha: Sequence[float] | float = (1.0,)):
        if not (isinstance(categories, Integral) and categories >= 2):
            raise bad("dataset.categories", repr(categories), "an integer >= 2", "set the number of categories")
        if not (isinstance(trials, Integral) and trials >= 1):
            raise bad("dataset.trials", repr(trials), "an integer >= 1", "set how many draws one sample counts")
        values = [alpha] if isinstance(alpha, Real) else list(alpha)
        if not all(isinstance(a, Real) and 0 < a < float("inf") for a in values):
            raise bad("dataset.alpha", repr(alpha), "numbers > 0", "1 draws probabilities uniformly from the simplex")
        if len(values) not in (1, categories):
            raise bad("dataset.alpha", f"{len(values)} numbers", f"1 or {categories}", "give one for each category")
        self.dim = self.categories = int(categories)
        self.trials = int(trials)
        self.alpha = [float(a) for a in values] * (self.categories // len(values))

    def draw(self, b: int, rng: ShardRandom) -> dict[str, Tensor]:
        """Parameters of b distributions on rng's device: probability (b, k), float32."""
        alpha = torch.tensor(self.alpha, device=rng.device)
        # log Gamma(alpha) = log Gamma(alpha + 1) + log U / alpha: nothing underflows for alpha close to 0
        log_gamma = rng.gamma(alpha + 1, b, self.dim).log() - rng.exponential(b, self.dim) / alpha
        return {"probability": log_gamma.softmax(1)}

    def sample(self, params: dict[str, Tensor], n: int, rng: ShardRandom) -> Tensor:
        """n samples of each distribution: (b, n, k) float32 whole numbers that sum to `trials`. Time grows with it."""
        bounds = params["probability"].cumsum(1)[:, :-1, None]  # (b, k - 1, 1)
        b, k = params["probability"].shape
        below = torch.zeros(b, k + 1, n, device=rng.device)  # draws in the first j categories
        for _ in range(self.trials):
            below[:, 1:k] += rng.rand(b, n)[:, None] < bounds
        below[:, k] = self.trials
        return below.diff(dim=1).mT.contiguous()

    def moments(self, params: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """True means (b, k) and covariances (b, k, k) of rank k - 1."""
        mean, cov = self._moments(params)
        return mean.float(), cov.float()

    def _moments(self, params: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """In float64: float32 probabilities do not sum to 1 exactly, which would give the null direction variance."""
        p = params["probability"].double()
        p = p / p.sum(1, keepdim=True)
        return self.trials * p, self.trials * (torch.diag_embed(p) - p[:, :, None] * p[:, None])

    def w2(self, params: dict[str, Tensor]) -> Tensor:
        """W2 distances of the normal approximations N(trials p, trials (diag p - p p')), all pairs, (b, b) float64."""
        from gde.distances.gaussian import gaussian_w2_matrix

        return gaussian_w2_matrix(*self._moments(params))

    def pair_w2(self, params: dict[str, Tensor], i: Tensor, j: Tensor) -> Tensor:
        """W2 distances (p,) float64 of the normal approximations of distributions i and j (p,) of params."""
        from gde.distances.gaussian import gaussian_w2

        mean, cov = self._moments(params)
        return gaussian_w2(mean[i], cov[i], mean[j], cov[j])
