"""Conditional variational autoencoder of images (Kingma & Welling 2014; Sohn et al. 2015), by convolutions."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gde.generators.base import Generator, NetworkOptions, check_counts, sampling_pieces
from gde.nets.choosing import choose_samples
from gde.nets.evidence import EvidenceOptions, WarmedUp, kl_to_standard
from gde.nets.image_decoder import ImageDecoder
from gde.nets.pool import sample_mean
from gde.nets.stem import Stem
from gde.sets.random import ShardRandom

LOG_NOISE = -1.0  # of the first observation noise (sd, standardised units), so that codes pay from the start
LOG_RANGE = 6.0  # log standard deviations stay within +-


@dataclass(frozen=True, kw_only=True)
class CnnVaeOptions(NetworkOptions, EvidenceOptions):
    """Options of `CnnVae`.

    hidden, layers : channels of the finest maps, blocks at each size.   code_dim : dimensions of an image's code.
    observation_noise : whether samples include the learned observation noise, independent for every pixel.
    subsample : images of each set that a training step's loss is computed on; None = all.
    """

    code_dim: int = 32
    observation_noise: bool = False
    subsample: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(code_dim=self.code_dim, subsample=1 if self.subsample is None else self.subsample)


class CnnVae(WarmedUp, Generator):
    """x | h, z ~ N(mean(h; z), noise(z)²) with a noise for each channel, h ~ N(0, I) in `code_dim` dimensions; q(h | x)
    is normal. Without the observation noise an image is the mean given its code: smoother than data, and what people
    look at."""

    Options = CnnVaeOptions

    def __init__(self, options: CnnVaeOptions, *, dim: int, latent_dim: int, shape: tuple[int, int, int]):
        super().__init__()
        self.set_kl_weight(options)
        self.dim, self.shape, self.code_dim, self.subsample = dim, tuple(shape), options.code_dim, options.subsample
        self.observation_noise = options.observation_noise
        hidden = 2 * options.hidden
        self.stem = Stem(self.shape, hidden)
        numbers = math.prod(self.stem.map)
        inner, codes = 4 * hidden, 2 * self.code_dim
        self.posterior = nn.Sequential(nn.Linear(numbers, inner), nn.SiLU(), nn.Linear(inner, codes))
        self.of_set = nn.Linear(latent_dim, codes, bias=False)
        sizes = {"hidden": options.hidden, "layers": options.layers}
        self.decoder = ImageDecoder(self.shape, self.code_dim, latent_dim, **sizes)
        self.log_noise = nn.Linear(latent_dim, self.shape[0])
        nn.init.zeros_(self.log_noise.weight)
        nn.init.constant_(self.log_noise.bias, LOG_NOISE)

    def masked_loss(self, x: Tensor, z: Tensor, mask: Tensor | None, weight: Tensor | None, rng: ShardRandom) -> Tensor:
        """Negative evidence lower bound in nats per pixel value."""
        if self.subsample is not None and self.subsample < x.shape[1] and torch.is_grad_enabled():
            x, mask = choose_samples(x, mask, weight, self.subsample, rng.rand(*x.shape[:2]))
            weight = None  # drawn by it
        reconstruction, kl = self.terms(x, z, rng)
        return sample_mean((reconstruction + self.kl_weight() * kl) / self.dim, mask, weight)

    def terms(self, x: Tensor, z: Tensor, rng: ShardRandom) -> tuple[Tensor, Tensor]:
        """Negative log-likelihood given a code drawn from q, and KL(q | prior), in nats, (b, n) each."""
        maps = self.stem(x.flatten(0, 1)).flatten(1).unflatten(0, x.shape[:2])
        mean, log_sd = (self.posterior(maps) + self.of_set(z)[:, None]).float().chunk(2, -1)
        log_sd = log_sd.clamp(-LOG_RANGE, LOG_RANGE)
        code = mean + log_sd.exp() * rng.randn(*mean.shape)
        log_noise = self.noise(z)
        residual = (x - self.decoder(code, self.decoder.modulation(z)).float()) * torch.exp(-log_noise)
        nll = 0.5 * residual.square() + log_noise + 0.5 * math.log(2 * math.pi)
        return nll.flatten(2).sum(-1), kl_to_standard(mean, log_sd)

    def noise(self, z: Tensor) -> Tensor:
        """Log standard deviation of the observation noise, (b, 1, c, 1, 1)."""
        return self.log_noise(z).float().clamp(-LOG_RANGE, LOG_RANGE)[:, None, :, None, None]

    @torch.no_grad()
    def sample(self, z: Tensor, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        """z : (b, l).   returns (b, n, c, h, w) standardised; the same generator state gives the same samples."""
        out = z.new_empty(len(z), n, *self.shape)
        for part, pieces in sampling_pieces(z, out):
            modulation, sd = self.decoder.modulation(part), self.noise(part).exp()
            for piece in pieces:
                code = torch.randn(*piece.shape[:2], self.code_dim, generator=generator, device=z.device, dtype=z.dtype)
                y = self.decoder(code, modulation)
                if self.observation_noise:
                    y = y + sd * torch.randn(piece.shape, generator=generator, device=z.device, dtype=z.dtype)
                piece.copy_(y)
        return out
