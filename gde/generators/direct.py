"""Direct generators: a network maps normal noise to samples in one step and is trained by a distance between sets."""

from dataclasses import dataclass

import torch
from torch import Tensor

from gde.generators.base import FrameOptions, Generator, check_counts, sampling_pieces
from gde.nets.affine import GaussianFrame
from gde.nets.film import FilmMLP
from gde.nets.pool import sample_mean
from gde.sets.random import ShardRandom


@dataclass(frozen=True, kw_only=True)
class DirectOptions(FrameOptions):
    """Options of the direct generators.

    affine : generate m(z) + L(z) (eps[:d] + network(eps; z)), with a location and triangular scale read off the
        embedding: a normal distribution then needs no network. It favours Gaussians; needs noise_dim >= dim.
    moment_weight : weight of the Gaussian likelihood of the real samples under m(z) and L(z), which asks the embedding
        for the set's first and second moments; without `affine` nothing else uses them. 0 = no such term.
    balanced : in training, noise comes as eps and -eps, then whitened in each set: mean 0 and covariance I exactly,
        so that the loss sees less of the noise's own scatter. Below 4 noise_dim points per set it is only centred.
        Samples are always drawn from plain noise.
    """

    noise_dim: int = 16
    balanced: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(noise_dim=self.noise_dim)


class DirectGenerator(Generator):
    """Embedding -> samples x = network(eps; z), with eps standard normal in `noise_dim` dimensions.

    Subclasses define `distance(y, x, mask, weight, rng)` (b,) between as many generated points y (b, n, d) as the set
    has, and its real samples. Distances are computed in float32, in standardised units.
    """

    Options = DirectOptions

    def __init__(self, options: DirectOptions, *, dim: int, latent_dim: int):
        super().__init__()
        self.dim, self.noise_dim, self.balanced = dim, options.noise_dim, options.balanced
        self.affine, self.moment_weight = options.affine, options.moment_weight
        if self.affine and self.noise_dim < dim:
            found = f"noise_dim: found {self.noise_dim} with affine"
            raise ValueError(f"{found}, expected at least the {dim} features; raise it or set affine: false")
        self.net = FilmMLP(self.noise_dim, dim, latent_dim, hidden=options.hidden, layers=options.layers)
        framed = self.affine or self.moment_weight
        self.frame = GaussianFrame(dim, latent_dim, options.hidden) if framed else None

    def masked_loss(self, x: Tensor, z: Tensor, mask: Tensor | None, weight: Tensor | None, rng: ShardRandom) -> Tensor:
        """The distance, mean over the sets: each counts by its number of real samples."""
        noise = rng.randn(len(x), x.shape[1], self.noise_dim)
        if self.balanced:
            noise = balance(noise)
        frame = self.frame(z) if self.frame is not None else None
        y = self.net(noise, self.net.modulation(z)).float()
        with torch.autocast(x.device.type, enabled=False):
            if self.affine:
                y = self.frame.from_frame(noise[..., : self.dim] + y, *frame)
            per_set = self.distance(y, x, mask, weight, rng)
            loss = sample_mean(per_set[:, None].expand(x.shape[:2]), mask, weight)
            if self.moment_weight:
                nll = self.frame.nll(self.frame.to_frame(x, *frame), frame[1])
                loss = loss + self.moment_weight * sample_mean(nll, mask, weight)
        return loss

    @torch.no_grad()
    def sample(self, z: Tensor, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        """z : (b, l).   returns (b, n, d) standardised samples; the same generator state gives the same samples."""
        out = z.new_empty(len(z), n, self.dim)
        for part, pieces in sampling_pieces(z, out):
            modulation = self.net.modulation(part)
            for piece in pieces:
                shape = (*piece.shape[:2], self.noise_dim)
                noise = torch.randn(shape, generator=generator, device=z.device, dtype=z.dtype)
                y = self.net(noise, modulation)
                if self.affine:
                    y = self.frame.from_frame(noise[..., : self.dim] + y, *self.frame(part))
                piece.copy_(y)
        return out

    def distance(self, y: Tensor, x: Tensor, mask: Tensor | None, weight: Tensor | None, rng: ShardRandom) -> Tensor:
        raise NotImplementedError


def balance(noise: Tensor) -> Tensor:
    """Antithetic, centred and, with at least 4 k points, whitened noise from independent noise (b, n, k).

    With fewer, the n / 2 rows that are drawn span too little: whitening would blow up what they lack, or fail.
    """
    n, k = noise.shape[1:]
    half = noise[:, : (n + 1) // 2]
    noise = torch.cat([half, -half], 1)[:, :n]
    noise = noise - noise.mean(1, keepdim=True)  # an odd number leaves one without its opposite
    if n < 4 * k:
        return noise
    factor = torch.linalg.cholesky(noise.mT @ noise / n)
    return torch.linalg.solve_triangular(factor.mT, noise, upper=True, left=False)
