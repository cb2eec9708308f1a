"""Encoder: what every set encoder is: per-sample stages with pooled statistics between them, then a read-out.

Written this way the encoder can be evaluated on a set of any size exactly, chunk by chunk: stage k of every sample
needs only that sample and the pooled statistics of the stages before (`gde.embed`). The statistic is the set mean
unless a kind says otherwise (`gde.nets.statistic`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from gde.nets.mlp import mlp
from gde.nets.pool import behind
from gde.nets.registry import Options
from gde.nets.statistic import Mean, Statistic

MEAN = Mean()
SD_FLOOR = 1e-3  # standardised units; makes the within-set scale of a single sample finite and smooth
LOG_FLOOR = 1e-2  # the same below a logarithm, where a feature that is constant in a set must not stand out by far
CORRELATIONS_UP_TO = 16  # features; beyond, their pairs would outnumber what a small set can tell


@dataclass(frozen=True, kw_only=True)
class EncoderOptions(Options):
    """Options of every encoder: none. Those that `MomentOptions` makes fields of are off."""

    moments: ClassVar[bool] = False
    skip: ClassVar[bool] = False


@dataclass(frozen=True, kw_only=True)
class MomentOptions(EncoderOptions):
    """Options of an encoder that is also given the set's moments.

    hidden : width.   layers : what a layer is, the kind says.
    moments : give each sample also in within-set standardised form, (x - mean) / sd with ddof 0.
    skip : add a map (linear + MLP of width `hidden`) of the set's first two moments to the embedding, as mean, log sd
        and, of at most CORRELATIONS_UP_TO features, correlations: location, scale and shape of what is nearly Gaussian
        need not be learned from samples.
    """

    hidden: int = 128
    layers: int = 2
    moments: bool = True
    skip: bool = True


class Encoder(nn.Module):
    """Set -> embedding, invariant to order and to proportional duplication of samples.

    Subclasses set `n_layers` and define `layer(k, u, h, pooled)` (per-sample features of layer k),
    `layer_statistic(k)` (what these are pooled into, giving pooled[k]) and `head(pooled)`. A subclass with constants
    of the data has `fit(x)`: `gde.training` calls it once before training with standardised training samples (n, d).

    dim : numbers of a sample.   shape : of a sample that is an image, (c, h, w); None for the others.
    """

    Options = EncoderOptions
    n_layers: int

    def __init__(self, options: EncoderOptions, *, dim: int, latent_dim: int, shape: tuple[int, ...] | None = None):
        super().__init__()
        moments, skip = options.moments, options.skip
        self.dim, self.shape, self.latent_dim, self.moments = dim, shape, latent_dim, moments
        self.in_dim = 2 * dim if moments else dim
        self.correlations = skip and 1 < dim <= CORRELATIONS_UP_TO
        self.n_moments = 3 if self.correlations else 2 if moments or skip else 0
        self.skip = self.skip_mlp = None
        if skip:
            rows, cols = torch.triu_indices(dim, dim, 1)
            self.register_buffer("rows", rows, persistent=False)
            self.register_buffer("cols", cols, persistent=False)
            n_moments = 2 * dim + (len(rows) if self.correlations else 0)
            self.skip = nn.Linear(n_moments, latent_dim, bias=False)
            self.skip_mlp = mlp([n_moments, options.hidden, options.hidden, latent_dim])

    @property
    def n_stages(self) -> int:
        """Number of pooled statistics, hence of passes over a set that is streamed."""
        return self.n_moments + self.n_layers

    def prepare(self, x: Tensor) -> Tensor:
        """What the stages are given of samples (b, n, d): a function of each sample alone; the pixels of images
        (b, n, c, h, w) one behind the other, unless a kind knows better."""
        return x.flatten(2)

    @contextmanager
    def unchanging(self) -> Iterator[None]:
        """While it lasts nobody changes the weights: what is costly of `prepare` may be kept."""
        yield

    def remember(self, chunks: Iterator[Any]) -> None:
        """Do now, for all samples together, what is costly of `prepare` and can be kept; chunks of samples (m, d)."""

    def stage(self, k: int, x: Tensor, h: Tensor | None, pooled: list[Any]) -> Tensor:
        """Per-sample features of stage k.

        x : (b, n, d) standardised samples after `prepare`; h : stage k - 1 of the same samples; pooled : the k
        statistics of the sets so far, set means (b, 1, f) unless `statistic` says otherwise.
        """
        if k < min(self.n_moments, 2):
            return x if k == 0 else (x - pooled[0]).square()
        y = (x - pooled[0]) / (pooled[1] + SD_FLOOR**2).sqrt() if self.moments or k < self.n_moments else None
        if k < self.n_moments:
            return y[..., self.rows] * y[..., self.cols]
        u = torch.cat([x, y], -1) if self.moments else x
        return self.layer(k - self.n_moments, u, h, pooled[self.n_moments :])

    def statistic(self, k: int) -> Statistic:
        """What the features of stage k are pooled into."""
        return MEAN if k < self.n_moments else self.layer_statistic(k - self.n_moments)

    def readout(self, pooled: list[Any]) -> Tensor:
        """The statistics of all stages to the embedding (b, l)."""
        z = self.head(pooled[self.n_moments :])
        if self.skip is not None:
            log_sd = 0.5 * (pooled[1] + LOG_FLOOR**2).log()
            moments = torch.cat([pooled[0], log_sd, *pooled[2 : self.n_moments]], -1)
            z = z + self.skip(moments) + self.skip_mlp(moments)
        return z.squeeze(1)

    def forward(self, x: Tensor, *, mask: Tensor | None = None, weight: Tensor | None = None) -> Tensor:
        """x : (b, n, d); mask (b, n) bool; weight (b, n).   returns (b, latent_dim)."""
        if mask is not None:  # what stands behind the mask may be anything, even NaN
            x = behind(mask, x)
        x, h, pooled = self.prepare(x), None, []
        for k in range(self.n_stages):
            h = self.stage(k, x, h, pooled)
            pooled.append(self.statistic(k)(h, mask, weight))
        return self.readout(pooled)

    def layer(self, k: int, u: Tensor, h: Tensor | None, pooled: list[Any]) -> Tensor:
        raise NotImplementedError

    def layer_statistic(self, k: int) -> Statistic:
        return MEAN

    def head(self, pooled: list[Any]) -> Tensor:
        raise NotImplementedError
