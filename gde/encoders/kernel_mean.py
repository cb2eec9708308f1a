"""The kernel mean embedding by random Fourier features (Rahimi & Recht 2007; Smola et al. 2007)."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gde.encoders.base import Encoder, EncoderOptions
from gde.errors import bad

PAIRS = 20_000  # of samples, for the median heuristic: its error is then about 1 %


@dataclass(frozen=True, kw_only=True)
class KernelMeanOptions(EncoderOptions):
    """Options of `KernelMean`.

    hidden : frequencies; each gives a cosine and a sine.
    """

    hidden: int = 128


class KernelMean(Encoder):
    """z = Linear(mean[cos(s x W), sin(s x W)]), W (d, hidden) ~ N(0, 1) frozen, the scale s trained.

    The features are those of the Gaussian kernel exp(-s² |x - y|² / 2). s starts at 1 / median |x - y| over pairs of
    training samples that differ (median heuristic; `fit`), without `fit` at its value for standard normal features.
    """

    Options = KernelMeanOptions
    n_layers = 1

    def __init__(self, options: KernelMeanOptions, *, dim: int, latent_dim: int, shape: tuple[int, ...] | None = None):
        super().__init__(options, dim=dim, latent_dim=latent_dim, shape=shape)
        hidden = options.hidden
        self.register_buffer("frequency", torch.randn(dim, hidden))
        # |x - y|² / 2 is then chi-square with d degrees of freedom: median by Wilson & Hilferty 1931
        self.scale = nn.Parameter(torch.tensor((2 * dim * (1 - 2 / (9 * dim)) ** 3) ** -0.5))
        self.out = nn.Linear(2 * hidden, latent_dim)

    @torch.no_grad()
    def fit(self, x: Tensor) -> None:
        """Set the scale from standardised samples (n, d): the median distance of random pairs that differ.

        Raises GdeError when no pair does.
        """
        x, generator = x.flatten(1), torch.Generator().manual_seed(0)
        first = torch.randint(len(x), (PAIRS,), generator=generator)
        other = (first + torch.randint(1, max(2, len(x)), (PAIRS,), generator=generator)) % len(x)
        distance = (x[first.to(x.device)] - x[other.to(x.device)]).norm(dim=1)
        if not (distance > 0).any():
            where, remedy = "encoder: kernel_mean", "choose encoder: {kind: mean}"
            raise bad(where, f"{len(x)} equal training samples", "samples that differ", remedy)
        self.scale.fill_(1 / distance[distance > 0].median())

    def layer(self, k: int, u: Tensor, h: Tensor | None, pooled: list[Tensor]) -> Tensor:
        with torch.autocast(u.device.type, enabled=False):  # phases beyond 2 pi would lose what bfloat16 rounds
            phase = u.float() @ (self.scale * self.frequency)
            return torch.cat([phase.cos(), phase.sin()], -1)

    def head(self, pooled: list[Tensor]) -> Tensor:
        return self.out(pooled[-1])
