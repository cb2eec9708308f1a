"""The paper's graph-like encoder: layers that see the set mean, or another pooled value (arXiv 2505.18150)."""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.functional import silu

from gde.encoders.base import MEAN, Encoder, MomentOptions
from gde.nets.mlp import mlp
from gde.nets.poolers import pooler
from gde.nets.set_layer import MeanPooledMLP
from gde.nets.statistic import FeatureWise, Statistic


@dataclass(frozen=True, kw_only=True)
class GnnOptions(MomentOptions):
    """Options of `Gnn`.

    pool : the mean or another pooler (`gde.nets.poolers`), the same in all layers; `moments` and `skip` keep means.
    pool_parameter : the pooler's trim, delta, temperature or sharpness; None = its default.
    """

    pool: str = "mean"
    pool_parameter: float | None = None


class Gnn(Encoder):
    """Per-sample MLP, then `layers` times an MLP of [h, pool of h]; linear read-out of the last pool."""

    Options = GnnOptions

    def __init__(self, options: GnnOptions, *, dim: int, latent_dim: int):
        super().__init__(options, dim=dim, latent_dim=latent_dim)
        hidden, layers = options.hidden, options.layers
        self.n_layers = layers + 1
        pooled_by = pooler(options.pool, options.pool_parameter)
        self.pool = MEAN if options.pool == "mean" else FeatureWise(pooled_by)  # a mean streams in one pass
        self.first = mlp([self.in_dim, hidden, hidden], last_activation=True)
        self.blocks = nn.ModuleList(MeanPooledMLP(hidden, hidden, 2) for _ in range(layers))
        self.out = nn.Linear(hidden, latent_dim)

    def layer(self, k: int, u: Tensor, h: Tensor | None, pooled: list[Tensor]) -> Tensor:
        return self.first(u) if k == 0 else silu(self.blocks[k - 1](h, pooled[-1]))

    def layer_statistic(self, k: int) -> Statistic:
        return self.pool

    def head(self, pooled: list[Tensor]) -> Tensor:
        return self.out(pooled[-1])
