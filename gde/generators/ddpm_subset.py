"""Diffusion for samples of thousands of features: each training step predicts the noise of some of them."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import linear

from gde.generators.base import check_counts
from gde.generators.ddpm import Ddpm, DdpmOptions
from gde.nets.film import Modulation
from gde.sets.random import ShardRandom


@dataclass(frozen=True, kw_only=True)
class DdpmSubsetOptions(DdpmOptions):
    """Options of `DdpmSubset`.

    features : those that a training step looks at; all, where there are fewer.
    """

    features: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(features=self.features)


class DdpmSubset(Ddpm):
    """`Ddpm` whose loss looks at a random subset of the features.

    Every shard of a batch draws a subset at each step, uniformly; the mean over it of the squared errors is an unbiased
    estimate of the mean over all features, so what is learned, and sampling, are those of `Ddpm`. It saves the
    output layer's product and its gradient, features / d of which remain; the network still sees all features.
    """

    Options = DdpmSubsetOptions

    def __init__(self, options: DdpmSubsetOptions, *, dim: int, latent_dim: int):
        super().__init__(options, dim=dim, latent_dim=latent_dim)
        self.n_features = min(options.features, dim)

    def path_loss(self, y: Tensor, modulation: Modulation, rng: ShardRandom) -> Tensor:
        """Squared error over a subset of the features; y (b, n, d) -> (b, n)."""
        noised, t, target = self.noised(y, rng)
        h = self.net.features(self.net.with_time(noised, t), modulation)  # (b, n, hidden)
        weight, bias = self.net.output.weight, self.net.output.bias
        shards = len(rng.only)
        errors = []
        for own, wanted, draw in zip(h.chunk(shards), target.chunk(shards), rng.numpy(), strict=True):
            chosen = torch.from_numpy(draw.permutation(self.dim)[: self.n_features]).to(y.device)
            out = linear(own, weight[chosen], bias[chosen])
            errors.append((out - wanted[..., chosen]).square().mean(-1))
        return torch.cat(errors)
