"""Conditional variational autoencoder (Kingma & Welling 2014; Sohn et al. 2015)."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gde.generators.base import FrameOptions, Generator, check_counts, sampling_pieces
from gde.nets.affine import GaussianFrame
from gde.nets.evidence import EvidenceOptions, WarmedUp, kl_to_standard
from gde.nets.film import FilmMLP, Modulation
from gde.nets.pool import sample_mean
from gde.sets.random import ShardRandom

LOG_NOISE = -1.0  # of the first observation noise (sd, standardised units): below 1, so that codes pay from the start
LOG_RANGE = 6.0  # log standard deviations stay within +-: a feature that is constant must not end in infinity


@dataclass(frozen=True, kw_only=True)
class CvaeOptions(FrameOptions, EvidenceOptions):
    """Options of `Cvae`.

    code_dim : dimensions of a sample's code h.
    observation_noise : whether samples include the learned observation noise.
    """

    code_dim: int = 8
    observation_noise: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(code_dim=self.code_dim)


class Cvae(WarmedUp, Generator):
    """x | h, z ~ N(mean(h; z), diag(noise(z)²)), h ~ N(0, I) in `code_dim` dimensions; q(h | x, z) is normal.

    The observation noise is learned, by feature and embedding, and is part of every sample drawn: without it the
    samples are those of another distribution than the one whose likelihood is bounded.
    """

    Options = CvaeOptions

    def __init__(self, options: CvaeOptions, *, dim: int, latent_dim: int):
        super().__init__()
        self.set_kl_weight(options)
        self.dim, self.code_dim = dim, options.code_dim
        self.observation_noise, self.moment_weight = options.observation_noise, options.moment_weight
        sizes = {"hidden": options.hidden, "layers": options.layers}
        self.posterior = FilmMLP(dim, 2 * self.code_dim, latent_dim, **sizes)
        self.posterior.output.reset_parameters()  # from zero, encoder and decoder would wait for each other
        self.decoder = FilmMLP(self.code_dim, dim, latent_dim, **sizes)
        self.log_noise = nn.Linear(latent_dim, dim)
        nn.init.zeros_(self.log_noise.weight)
        nn.init.constant_(self.log_noise.bias, LOG_NOISE)
        self.frame = GaussianFrame(dim, latent_dim, options.hidden) if options.affine else None

    def masked_loss(self, x: Tensor, z: Tensor, mask: Tensor | None, weight: Tensor | None, rng: ShardRandom) -> Tensor:
        """Negative evidence lower bound in nats per sample, plus the frame's likelihood."""
        moment_loss = 0.0
        if self.frame is not None:
            frame = self.frame(z)
            nll = self.frame.nll(self.frame.to_frame(x, *frame), frame[1])
            moment_loss = self.moment_weight * sample_mean(nll, mask, weight)
            x = self.frame.to_frame(x, *self.frame.of_samples(x, mask, weight))
        reconstruction, kl = self.terms(x, z, rng)
        return sample_mean(reconstruction + self.kl_weight() * kl, mask, weight) + moment_loss

    def terms(self, y: Tensor, z: Tensor, rng: ShardRandom) -> tuple[Tensor, Tensor]:
        """Negative log-likelihood given a code drawn from q, and KL(q | prior), in nats; y (b, n, d) -> (b, n) each."""
        mean, log_sd = self.posterior(y, self.posterior.modulation(z)).float().chunk(2, -1)
        log_sd = log_sd.clamp(-LOG_RANGE, LOG_RANGE)
        code = mean + log_sd.exp() * rng.randn(*mean.shape)
        found, log_noise = self.decode(code, self.decoder.modulation(z), z)
        residual = (y - found) * torch.exp(-log_noise)
        nll = (0.5 * residual.square() + log_noise + 0.5 * math.log(2 * math.pi)).sum(-1)
        return nll, kl_to_standard(mean, log_sd)

    def decode(self, code: Tensor, modulation: Modulation, z: Tensor) -> tuple[Tensor, Tensor]:
        """Mean (b, n, d) and log standard deviation (b, 1, d) of x given codes (b, n, code_dim)."""
        log_noise = self.log_noise(z).float().clamp(-LOG_RANGE, LOG_RANGE)[:, None]
        return self.decoder(code, modulation).float(), log_noise

    @torch.no_grad()
    def sample(self, z: Tensor, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        """z : (b, l).   returns (b, n, d) standardised samples; the same generator state gives the same samples."""
        out = z.new_empty(len(z), n, self.dim)
        for part, pieces in sampling_pieces(z, out):
            modulation = self.decoder.modulation(part)
            for piece in pieces:
                sizes = (*piece.shape[:2], self.code_dim + self.dim)
                noise = torch.randn(sizes, generator=generator, device=z.device, dtype=z.dtype)
                y, log_noise = self.decode(noise[..., : self.code_dim], modulation, part)
                if self.observation_noise:
                    y = y + log_noise.exp() * noise[..., self.code_dim :]
                if self.frame is not None:
                    y = self.frame.from_frame(y, *self.frame(part))
                piece.copy_(y)
        return out
