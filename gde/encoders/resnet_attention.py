"""The residual set encoder with self-attention in place of the set mean (arXiv 2505.18150)."""

from typing import Any

from torch import Tensor, nn

from gde.encoders.base import MEAN
from gde.encoders.resnet import ResNet
from gde.nets.attention import set_attention
from gde.nets.statistic import Statistic


class ResNetAttention(ResNet):
    """The layers of `resnet`, where a sample sees, instead of the mean of all h, the values it attends to.

    h_k = LN(MLP([h, Attention(h)]) + h + Lin_k(x)); linear read-out of the mean of the last h.
    induced : as in `attention`.
    """

    def __init__(
        self,
        dim: int,
        latent_dim: int,
        *,
        hidden: int = 128,
        layers: int = 2,
        depth: int = 2,
        heads: int = 4,
        induced: int = 0,
        moments: bool = True,
        skip: bool = True,
    ):
        super().__init__(dim, latent_dim, hidden=hidden, layers=layers, depth=depth, moments=moments, skip=skip)
        self.attentions = nn.ModuleList(set_attention(hidden, heads, induced) for _ in range(layers))

    def layer(self, k: int, u: Tensor, h: Tensor | None, pooled: list[Any]) -> Tensor:
        if k > 0:
            pooled = [self.attentions[k - 1].attend(h, pooled[-1])]
        return super().layer(k, u, h, pooled)

    def layer_statistic(self, k: int) -> Statistic:
        return self.attentions[k] if k < len(self.attentions) else MEAN
