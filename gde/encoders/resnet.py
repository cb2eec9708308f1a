"""The paper's residual set encoder (arXiv 2505.18150)."""

from dataclasses import dataclass

from torch import Tensor, nn

from gde.encoders.base import Encoder, MomentOptions
from gde.nets.mlp import mlp
from gde.nets.set_layer import MeanPooledMLP


@dataclass(frozen=True, kw_only=True)
class ResNetOptions(MomentOptions):
    """Options of `ResNet`.

    depth : linear layers inside each MLP.
    """

    depth: int = 2


class ResNet(Encoder):
    """h0 = LN(MLP(x) + Lin(x)); h_k = LN(MeanPooled(h) + h + Lin_k(x)); linear read-out of the last set mean."""

    Options = ResNetOptions

    def __init__(self, options: ResNetOptions, *, dim: int, latent_dim: int):
        super().__init__(options, dim=dim, latent_dim=latent_dim)
        hidden, layers, depth = options.hidden, options.layers, options.depth
        self.n_layers = layers + 1
        self.first = mlp([self.in_dim] + [hidden] * depth)
        self.inputs = nn.ModuleList(nn.Linear(self.in_dim, hidden) for _ in range(layers + 1))
        self.blocks = nn.ModuleList(MeanPooledMLP(hidden, hidden, depth) for _ in range(layers))
        self.norms = nn.ModuleList(nn.LayerNorm(hidden) for _ in range(layers + 1))
        self.out = nn.Linear(hidden, latent_dim)

    def layer(self, k: int, u: Tensor, h: Tensor | None, pooled: list[Tensor]) -> Tensor:
        new = self.first(u) if k == 0 else self.blocks[k - 1](h, pooled[-1]) + h
        return self.norms[k](new + self.inputs[k](u))

    def head(self, pooled: list[Tensor]) -> Tensor:
        return self.out(pooled[-1])
