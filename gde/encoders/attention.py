"""Self-attention over the set without positions (set transformer, Lee et al. 2019)."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from gde.encoders.base import MEAN, Encoder, MomentOptions
from gde.nets.attention import set_attention
from gde.nets.mlp import mlp
from gde.nets.statistic import Statistic


@dataclass(frozen=True, kw_only=True)
class AttentionOptions(MomentOptions):
    """Options of `Attention`.

    heads : of the attention; a divisor of hidden.
    induced : 0 = every sample attends to all, time n²; else the number of points through which it does, time n,
        for sets of more than about a thousand samples.
    """

    heads: int = 4
    induced: int = 0


class Attention(Encoder):
    """Linear map, `layers` pre-norm blocks h + Attention(LN h), h + MLP(LN h); linear read-out of the mean of LN h."""

    Options = AttentionOptions

    def __init__(self, options: AttentionOptions, *, dim: int, latent_dim: int):
        super().__init__(options, dim=dim, latent_dim=latent_dim)
        hidden, layers, heads, induced = options.hidden, options.layers, options.heads, options.induced
        self.n_layers = layers + 1
        self.first = nn.Linear(self.in_dim, hidden)
        self.attentions = nn.ModuleList(set_attention(hidden, heads, induced) for _ in range(layers))
        self.mixes = nn.ModuleList(nn.Linear(hidden, hidden) for _ in range(layers))
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(hidden), *mlp([hidden, 2 * hidden, hidden])) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(hidden)
        self.out = nn.Linear(hidden, latent_dim)

    def layer(self, k: int, u: Tensor, h: Tensor | None, pooled: list[Any]) -> Tensor:
        if k == 0:
            return self.first(u)
        h = h + self.mixes[k - 1](self.attentions[k - 1].attend(h, pooled[-1]))
        h = h + self.blocks[k - 1](h)
        return self.norm(h) if k == len(self.blocks) else h

    def layer_statistic(self, k: int) -> Statistic:
        return self.attentions[k] if k < len(self.attentions) else MEAN

    def head(self, pooled: list[Any]) -> Tensor:
        return self.out(pooled[-1])
