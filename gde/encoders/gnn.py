"""The paper's graph-like encoder: layers that see the set mean (arXiv 2505.18150)."""

from torch import Tensor, nn
from torch.nn.functional import silu

from gde.encoders.base import Encoder
from gde.nets.mlp import mlp
from gde.nets.set_layer import MeanPooledMLP


class Gnn(Encoder):
    """Per-sample MLP, then `layers` times an MLP of [h, set mean of h]; linear read-out of the last set mean."""

    def __init__(
        self, dim: int, latent_dim: int, *, hidden: int = 128, layers: int = 2, moments: bool = True, skip: bool = True
    ):
        super().__init__(dim, latent_dim, moments=moments, skip=skip)
        self.n_layers = layers + 1
        self.first = mlp([self.in_dim, hidden, hidden], last_activation=True)
        self.blocks = nn.ModuleList(MeanPooledMLP(hidden, hidden, 2) for _ in range(layers))
        self.out = nn.Linear(hidden, latent_dim)

    def layer(self, k: int, u: Tensor, h: Tensor | None, pooled: list[Tensor]) -> Tensor:
        return self.first(u) if k == 0 else silu(self.blocks[k - 1](h, pooled[-1]))

    def head(self, pooled: list[Tensor]) -> Tensor:
        return self.out(pooled[-1])
