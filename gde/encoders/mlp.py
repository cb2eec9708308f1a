"""DeepSets with a mean (Zaheer et al. 2017)."""

from torch import Tensor, nn

from gde.encoders.base import Encoder
from gde.nets.mlp import mlp


class Mlp(Encoder):
    """Per-sample MLP, set mean, MLP."""

    n_layers = 1

    def __init__(
        self, dim: int, latent_dim: int, *, hidden: int = 128, layers: int = 2, moments: bool = True, skip: bool = True
    ):
        super().__init__(dim, latent_dim, moments=moments, skip=skip, hidden=hidden)
        self.features = mlp([self.in_dim] + [hidden] * layers)
        self.out = nn.Sequential(nn.Linear(hidden, hidden), nn.SiLU(), nn.Linear(hidden, latent_dim))

    def layer(self, k: int, u: Tensor, h: Tensor | None, pooled: list[Tensor]) -> Tensor:
        return self.features(u)

    def head(self, pooled: list[Tensor]) -> Tensor:
        return self.out(pooled[-1])
