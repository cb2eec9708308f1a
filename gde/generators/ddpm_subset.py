"""Diffusion for samples of thousands of features: each training step predicts the noise of some of them."""

import torch
from torch import Tensor
from torch.nn.functional import linear

from gde.generators.base import check_counts
from gde.generators.ddpm import Ddpm
from gde.nets.film import Modulation
from gde.sets.random import ShardRandom


class DdpmSubset(Ddpm):
    """`Ddpm` whose loss looks at a random subset of `features` features (all, where there are fewer).

    Every shard of a batch draws a subset at each step, uniformly; the mean over it of the squared errors is an unbiased
    estimate of the mean over all features, so what is learned, and sampling, are those of `Ddpm`. It saves the
    output layer's product and its gradient, features / d of which remain; the network still sees all features.
    """

    def __init__(
        self,
        dim: int,
        latent_dim: int,
        *,
        hidden: int = 128,
        layers: int = 4,
        time_features: int = 16,
        drop: float = 0.0,
        guidance: float = 1.0,
        affine: bool = False,
        moment_weight: float = 1.0,
        steps: int = 400,
        beta_start: float = 1e-4,
        beta_end: float = 0.02,
        zero_terminal_snr: bool = False,
        sampler: str = "ancestral",
        evaluations: int | None = None,
        features: int = 64,
    ):
        super().__init__(
            dim,
            latent_dim,
            hidden=hidden,
            layers=layers,
            time_features=time_features,
            drop=drop,
            guidance=guidance,
            affine=affine,
            moment_weight=moment_weight,
            steps=steps,
            beta_start=beta_start,
            beta_end=beta_end,
            zero_terminal_snr=zero_terminal_snr,
            sampler=sampler,
            evaluations=evaluations,
        )
        check_counts(features=features)
        self.n_features = min(features, dim)

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
