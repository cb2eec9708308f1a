"""The set mean and a linear map: the baseline every other encoder must beat."""

from torch import Tensor, nn

from gde.encoders.base import Encoder, EncoderOptions


class Mean(Encoder):
    """z = W mean(x) + b."""

    n_layers = 1

    def __init__(self, options: EncoderOptions, *, dim: int, latent_dim: int, shape: tuple[int, ...] | None = None):
        super().__init__(options, dim=dim, latent_dim=latent_dim, shape=shape)
        self.out = nn.Linear(dim, latent_dim)

    def layer(self, k: int, u: Tensor, h: Tensor | None, pooled: list[Tensor]) -> Tensor:
        return u

    def head(self, pooled: list[Tensor]) -> Tensor:
        return self.out(pooled[-1])
