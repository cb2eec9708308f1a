"""The residual set encoder with self-attention in place of the set mean (arXiv 2505.18150)."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from gde.encoders.attention import AttentionOptions
from gde.encoders.base import MEAN
from gde.encoders.resnet import ResNet, ResNetOptions
from gde.nets.attention import set_attention
from gde.nets.statistic import Statistic


@dataclass(frozen=True, kw_only=True)
class ResNetAttentionOptions(ResNetOptions, AttentionOptions):
    """Options of `ResNetAttention`: those of `resnet` and of `attention`."""


class ResNetAttention(ResNet):
    """The layers of `resnet`, where a sample sees, instead of the mean of all h, the values it attends to.

    h_k = LN(MLP([h, Attention(h)]) + h + Lin_k(x)); linear read-out of the mean of the last h.
    """

    Options = ResNetAttentionOptions

    def __init__(self, options: ResNetAttentionOptions, *, dim: int, latent_dim: int):
        super().__init__(options, dim=dim, latent_dim=latent_dim)
        attentions = (set_attention(options.hidden, options.heads, options.induced) for _ in range(options.layers))
        self.attentions = nn.ModuleList(attentions)

    def layer(self, k: int, u: Tensor, h: Tensor | None, pooled: list[Any]) -> Tensor:
        if k > 0:
            pooled = [self.attentions[k - 1].attend(h, pooled[-1])]
        return super().layer(k, u, h, pooled)

    def layer_statistic(self, k: int) -> Statistic:
        return self.attentions[k] if k < len(self.attentions) else MEAN
