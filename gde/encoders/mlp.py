"""DeepSets with a mean (Zaheer et al. 2017)."""

from torch import Tensor, nn

from gde.encoders.base import Encoder, MomentOptions
from gde.nets.mlp import mlp


class Mlp(Encoder):
    """Per-sample MLP, set mean, MLP."""

    Options = MomentOptions
    n_layers = 1

    def __init__(self, options: MomentOptions, *, dim: int, latent_dim: int):
        super().__init__(options, dim=dim, latent_dim=latent_dim)
        hidden = options.hidden
        self.features = mlp([self.in_dim] + [hidden] * options.layers)
        self.out = nn.Sequential(nn.Linear(hidden, hidden), nn.SiLU(), nn.Linear(hidden, latent_dim))

    def layer(self, k: int, u: Tensor, h: Tensor | None, pooled: list[Tensor]) -> Tensor:
        return self.features(u)

    def head(self, pooled: list[Tensor]) -> Tensor:
        return self.out(pooled[-1])
