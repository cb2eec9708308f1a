"""The paper's graph-like encoder: layers that see the set mean, or another pooled value (arXiv 2505.18150)."""

from torch import Tensor, nn
from torch.nn.functional import silu

from gde.encoders.base import MEAN, Encoder
from gde.nets.mlp import mlp
from gde.nets.poolers import pooler
from gde.nets.set_layer import MeanPooledMLP
from gde.nets.statistic import FeatureWise, Statistic


class Gnn(Encoder):
    """Per-sample MLP, then `layers` times an MLP of [h, pool of h]; linear read-out of the last pool.

    pool : the mean or another pooler (`gde.nets.poolers`), the same in all layers; `moments` and `skip` keep means.
    pool_parameter : the pooler's trim, delta, temperature or sharpness; None = its default.
    """

    def __init__(
        self,
        dim: int,
        latent_dim: int,
        *,
        hidden: int = 128,
        layers: int = 2,
        pool: str = "mean",
        pool_parameter: float | None = None,
        moments: bool = True,
        skip: bool = True,
    ):
        super().__init__(dim, latent_dim, moments=moments, skip=skip, hidden=hidden)
        self.n_layers = layers + 1
        pooled_by = pooler(pool, pool_parameter)
        self.pool = MEAN if pool == "mean" else FeatureWise(pooled_by)  # a mean streams in one pass
        self.first = mlp([self.in_dim, hidden, hidden], last_activation=True)
        self.blocks = nn.ModuleList(MeanPooledMLP(hidden, hidden, 2) for _ in range(layers))
        self.out = nn.Linear(hidden, latent_dim)

    def layer(self, k: int, u: Tensor, h: Tensor | None, pooled: list[Tensor]) -> Tensor:
        return self.first(u) if k == 0 else silu(self.blocks[k - 1](h, pooled[-1]))

    def layer_statistic(self, k: int) -> Statistic:
        return self.pool

    def head(self, pooled: list[Tensor]) -> Tensor:
        return self.out(pooled[-1])
