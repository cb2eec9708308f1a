"""What every set encoder is: per-sample stages with pooled statistics between them, then a read-out.

Written this way the encoder can be evaluated on a set of any size exactly, chunk by chunk: stage k of every sample
needs only that sample and the pooled statistics of the stages before (`gde.embed`).
"""

import torch
from torch import Tensor, nn

from gde.nets.pool import set_mean

SD_FLOOR = 1e-3  # standardised units; makes the within-set scale of a single sample finite and smooth


class Encoder(nn.Module):
    """Set -> embedding, invariant to order and to proportional duplication of samples.

    Subclasses set `n_layers` and define `layer(k, u, h, pooled)` (per-sample features of layer k, whose set mean
    becomes pooled[k]) and `head(pooled)`.

    moments : give each sample also in within-set standardised form, (x - mean) / sd with ddof 0.
    skip : add a linear map of the set's mean and sd to the embedding, so that location and scale need not be learned.
    """

    n_layers: int

    def __init__(self, dim: int, latent_dim: int, *, moments: bool, skip: bool):
        super().__init__()
        self.dim, self.latent_dim, self.moments = dim, latent_dim, moments
        self.n_moments = 2 if moments or skip else 0
        self.in_dim = 2 * dim if moments else dim
        self.skip = nn.Linear(2 * dim, latent_dim, bias=False) if skip else None

    @property
    def n_stages(self) -> int:
        """Number of pooled statistics, hence of passes over a set that is streamed."""
        return self.n_moments + self.n_layers

    def stage(self, k: int, x: Tensor, h: Tensor | None, pooled: list[Tensor]) -> Tensor:
        """Per-sample features of stage k.

        x : (b, n, d) standardised samples; h : stage k - 1 of the same samples; pooled : k set means (b, 1, f).
        """
        if k < self.n_moments:
            return x if k == 0 else (x - pooled[0]).square()
        u = x
        if self.moments:
            u = torch.cat([x, (x - pooled[0]) / (pooled[1] + SD_FLOOR**2).sqrt()], -1)
        return self.layer(k - self.n_moments, u, h, pooled[self.n_moments :])

    def readout(self, pooled: list[Tensor]) -> Tensor:
        """Pooled statistics, each (b, 1, f), to the embedding (b, l)."""
        z = self.head(pooled[self.n_moments :])
        if self.skip is not None:
            sd = (pooled[1] + SD_FLOOR**2).sqrt()
            z = z + self.skip(torch.cat([pooled[0], sd], -1))
        return z.squeeze(1)

    def forward(self, x: Tensor, *, mask: Tensor | None = None, weight: Tensor | None = None) -> Tensor:
        """x : (b, n, d); mask (b, n) bool; weight (b, n).   returns (b, latent_dim)."""
        if mask is not None:  # what stands behind the mask may be anything, even NaN
            x = torch.where(mask[..., None], x, 0.0)
        h, pooled = None, []
        for k in range(self.n_stages):
            h = self.stage(k, x, h, pooled)
            pooled.append(set_mean(h, mask, weight))
        return self.readout(pooled)

    def layer(self, k: int, u: Tensor, h: Tensor | None, pooled: list[Tensor]) -> Tensor:
        raise NotImplementedError

    def head(self, pooled: list[Tensor]) -> Tensor:
        raise NotImplementedError
