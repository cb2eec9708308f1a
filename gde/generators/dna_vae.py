"""Convolutional conditional variational autoencoder of sequences."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gde.generators.base import Generator, SequenceOptions, check_counts
from gde.generators.cvae import LOG_RANGE
from gde.nets.choosing import choose_samples
from gde.nets.drawing import draw, drawing
from gde.nets.evidence import EvidenceOptions, WarmedUp, kl_to_standard
from gde.nets.pool import sample_mean
from gde.nets.sequence_blocks import FilmConvBlock
from gde.nets.sequence_condition import Film
from gde.nets.tokens import cleaned, cut_at_end, one_hot, possible, tokens_nll
from gde.sets.random import ShardRandom

ROWS_AT_ONCE = {"cpu": 2048, "cuda": 65_536}  # sequences drawn or scored together


@dataclass(frozen=True, kw_only=True)
class DnaVaeOptions(SequenceOptions, EvidenceOptions):
    """Options of `DnaVae`.

    hidden : channels; layers : times that encoder and decoder halve the positions; kernel : of the convolutions, odd;
    code_dim : dimensions of a sequence's code.
    """

    hidden: int = 64
    layers: int = 2
    kernel: int = 7
    code_dim: int = 32

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(kernel=self.kernel, code_dim=self.code_dim)
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel: found {self.kernel}, expected an odd number; add 1")


class DnaVae(WarmedUp, Generator):
    """Tokens x | h, z independent and categorical in every position, h ~ N(0, I); q(h | x, z) is normal.

    Encoder and decoder halve and double the positions `layers` times by convolutions; z modulates their norms and
    enters the decoder beside the code. The end mark is a class of its own, and what would stand after it is not scored.
    """

    Options = DnaVaeOptions

    def __init__(self, options: DnaVaeOptions, *, dim: int, latent_dim: int, vocabulary: int = 5):
        super().__init__()
        hidden, layers, kernel, code_dim = options.hidden, options.layers, options.kernel, options.code_dim
        self.dim, self.vocabulary, self.hidden, self.code_dim, self.layers = dim, vocabulary, hidden, code_dim, layers
        self.subsample, self.temperature, self.top_p = options.subsample, options.temperature, options.top_p
        coarse = math.ceil(dim / 2**layers)  # positions at the narrowest
        self.missing = coarse * 2**layers - dim
        self.embed = nn.Sequential(nn.Linear(latent_dim, hidden), nn.SiLU())
        self.film = nn.Linear(hidden, 4 * layers * hidden)
        self.read = nn.Conv1d(vocabulary, hidden, kernel, padding=kernel // 2)
        self.down = nn.ModuleList(nn.Conv1d(hidden, hidden, 2, stride=2) for _ in range(layers))
        self.read_blocks = nn.ModuleList(FilmConvBlock(hidden, kernel) for _ in range(layers))
        self.posterior = nn.Linear(hidden * coarse, 2 * code_dim)
        self.code = nn.Linear(code_dim + latent_dim, hidden * coarse)
        self.up = nn.ModuleList(nn.ConvTranspose1d(hidden, hidden, 2, stride=2) for _ in range(layers))
        self.write_blocks = nn.ModuleList(FilmConvBlock(hidden, kernel) for _ in range(layers))
        self.write = nn.Conv1d(hidden, vocabulary + 1, kernel, padding=kernel // 2)
        self.set_kl_weight(options)

    def masked_loss(self, x: Tensor, z: Tensor, mask: Tensor | None, weight: Tensor | None, rng: ShardRandom) -> Tensor:
        """Negative evidence lower bound in nats, divided by the length L."""
        if self.subsample is not None and self.subsample < x.shape[1] and torch.is_grad_enabled():
            x, mask = choose_samples(x, mask, weight, self.subsample, rng.rand(*x.shape[:2]))
            weight = None  # drawn by it
        x = cleaned(x, mask)
        noise = rng.randn(*x.shape[:2], self.code_dim).flatten(0, 1)
        rows = torch.arange(len(z), device=z.device).repeat_interleave(x.shape[1])
        nll, kl = self.terms(x.flatten(0, 1), z[rows], self.films(z, rows), noise)
        return sample_mean(((nll + self.kl_weight() * kl) / self.dim).view(x.shape[:2]), mask, weight)

    def terms(self, x: Tensor, z: Tensor, films: list[Film], noise: Tensor) -> tuple[Tensor, Tensor]:
        """Negative log-likelihood given a code drawn from q, and KL(q | prior), in nats: x (r, L) -> (r,) each."""
        mean, log_sd = self.encode(x, films)
        nll = tokens_nll(self.decode(mean + log_sd.exp() * noise, z, films), x)
        return nll, kl_to_standard(mean, log_sd)

    def encode(self, x: Tensor, films: list[Film]) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation (r, code_dim) of q for sequences x (r, L)."""
        h = self.read(one_hot(nn.functional.pad(x, (0, self.missing)), self.vocabulary))
        for block, down, film in zip(self.read_blocks, self.down, films[: self.layers], strict=True):
            h = down(block(h, film))
        mean, log_sd = self.posterior(h.flatten(1)).float().chunk(2, -1)
        return mean, log_sd.clamp(-LOG_RANGE, LOG_RANGE)

    def decode(self, code: Tensor, z: Tensor, films: list[Film]) -> Tensor:
        """Logits (r, L, v + 1) of every position given codes (r, code_dim)."""
        h = self.code(torch.cat([code, z.to(code.dtype)], -1)).unflatten(-1, (self.hidden, -1))
        for block, up, film in zip(self.write_blocks, self.up, films[self.layers :], strict=True):
            h = block(up(h), film)
        return self.write(h)[..., : self.dim].mT

    def films(self, z: Tensor, rows: Tensor) -> list[Film]:
        """Scale and shift (r, hidden, 1) of every block, z (b, l) taken by rows (r,)."""
        parts = self.film(self.embed(z))[rows, :, None].chunk(4 * self.layers, 1)
        return [(1 + parts[2 * i], parts[2 * i + 1]) for i in range(2 * self.layers)]

    @torch.no_grad()
    def log_prob(self, x: Tensor, z: Tensor, mask: Tensor | None = None) -> Tensor:
        """Evidence lower bound of each sequence in nats, one code each, the same in every call: x (b, n, L) -> (b, n).

        0 behind the mask. On average over codes at most the log-likelihood.
        """
        x, rng = cleaned(x, mask), ShardRandom(0, 0, stream="log_prob", device=z.device)
        flat, found = x.flatten(0, 1), torch.zeros(x.shape[0] * x.shape[1], device=z.device)
        rows = torch.arange(len(z), device=z.device).repeat_interleave(x.shape[1])
        for part in torch.arange(len(flat), device=z.device).split(ROWS_AT_ONCE[z.device.type]):
            films, noise = self.films(z, rows[part]), rng.randn(len(part), self.code_dim)
            nll, kl = self.terms(flat[part], z[rows[part]], films, noise)
            found[part] = torch.where(flat[part, 0] != 0, -nll - kl, 0.0)
        return found.view(x.shape[:2])

    @torch.no_grad()
    def sample(
        self,
        z: Tensor,
        n: int,
        *,
        generator: torch.Generator | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
    ) -> Tensor:
        """z : (b, l).   returns tokens (b, n, L) uint8, 0 after the end; the same generator state gives the same."""
        options = drawing((self.temperature, self.top_p), temperature, top_p)
        out = torch.zeros(len(z) * n, self.dim, dtype=torch.uint8, device=z.device)
        for part in torch.arange(len(out), device=z.device).split(ROWS_AT_ONCE[z.device.type]):
            rows = part // n
            code = torch.randn(len(part), self.code_dim, generator=generator, device=z.device, dtype=z.dtype)
            logits = possible(self.decode(code, z[rows], self.films(z, rows)))
            out[part] = cut_at_end(draw(logits, generator=generator, **options)).to(torch.uint8)
        return out.view(len(z), n, self.dim)
