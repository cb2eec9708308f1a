"""Attention decoder of a fixed number of points, after Wormhole (Haviv et al. 2024)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from gde.distances.checks import set_weights
from gde.distances.exact import exact_w2
from gde.distances.sinkhorn import sinkhorn_w2
from gde.generators.base import Generator, NetworkOptions, check_counts
from gde.nets.point_decoder import PointDecoder
from gde.nets.pool import sample_mean
from gde.sets.random import ShardRandom


@dataclass(frozen=True, kw_only=True)
class WormholeOptions(NetworkOptions):
    """Options of `Wormhole`.

    heads : of the attention; a divisor of hidden.   points : that stand for a distribution.
    pair_weight : of the term over pairs of sets; 0 = none.   pair_samples : of each set behind a W2 of it, at most.
    blur : length, in standardised units, below which points are not told apart by the loss.
    """

    layers: int = 2
    heads: int = 4
    points: int = 64
    pair_weight: float = 0.5
    pair_samples: int = 64
    blur: float = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(points=self.points, pair_samples=self.pair_samples)
        if self.pair_weight < 0:
            raise ValueError(f"pair_weight: found {self.pair_weight}, expected at least 0; 0 = no such term")
        if not self.blur > 0:
            raise ValueError(f"blur: found {self.blur}, expected a length > 0; the default is 0.05")


class Wormhole(Generator):
    """Embedding -> `points` points that stand for the distribution: their empirical measure is what is generated.

    Loss: Sinkhorn W2 between the points and the set, plus `pair_weight` (|z_i - z_j| - W2_ij)² over neighbours in the
    batch, which asks latent distances to be transport distances. Both sides are roots, in standardised units; W2_ij
    is exact, between the samples of both sets (at most `pair_samples` of each).

    Samples are drawn from the points without replacement until all are used, then again: n of them are the points
    themselves where n is their number, and repeat each other beyond. No noise is added.
    """

    Options = WormholeOptions

    def __init__(self, options: WormholeOptions, *, dim: int, latent_dim: int):
        super().__init__()
        self.dim, self.points, self.blur = dim, options.points, options.blur
        self.pair_weight, self.pair_samples = options.pair_weight, options.pair_samples
        sizes = {"hidden": options.hidden, "layers": options.layers, "heads": options.heads}
        self.decoder = PointDecoder(dim, latent_dim, points=options.points, **sizes)

    def masked_loss(self, x: Tensor, z: Tensor, mask: Tensor | None, weight: Tensor | None, rng: ShardRandom) -> Tensor:
        """Mean over the sets: each counts by its number of real samples. Only sets of one shard of `rng` form pairs."""
        y = self.decoder(z).float()
        with torch.autocast(x.device.type, enabled=False):
            per_set = sinkhorn_w2(y, x, blur=self.blur, wy=weight, mask_y=mask)
            if self.pair_weight:
                other = neighbours(len(z), len(rng.only), z.device)
                w2 = pair_w2(x, mask, weight, other, self.pair_samples)
                # the floor keeps the gradient of the root finite where two embeddings coincide
                latent = ((z - z[other]).float().square().sum(-1) + 1e-12).sqrt()
                per_set = per_set + self.pair_weight * (latent - w2).square()
            return sample_mean(per_set[:, None].expand(x.shape[:2]), mask, weight)

    @torch.no_grad()
    def sample(self, z: Tensor, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        """z : (b, l).   returns (b, n, d) standardised samples; the same generator state gives the same samples."""
        decoded = self.decoder(z)
        rounds = [
            torch.rand(len(z), self.points, generator=generator, device=z.device).argsort(1)
            for _ in range(0, n, self.points)
        ]
        index = torch.cat(rounds, 1)[:, :n, None]
        return decoded.gather(1, index.expand(-1, -1, self.dim))


def neighbours(b: int, parts: int, device: torch.device) -> Tensor:
    """For each of b sets the one before it, the last for the first, inside each of `parts` equal parts; (b,)."""
    return torch.arange(b, device=device).view(parts, -1).roll(1, 1).flatten()


@torch.no_grad()
def pair_w2(x: Tensor, mask: Tensor | None, weight: Tensor | None, other: Tensor, samples: int) -> Tensor:
    """Exact W2 (b,) float32 between each set of x (b, n, d) and its other, from the first `samples` of both; from all
    where there are masks or weights, since the first might then be none."""
    w = set_weights("wormhole", x, weight, mask)
    if w is None:
        x = x[:, :samples]
    return exact_w2(x, x[other], w, None if w is None else w[other]).float()
