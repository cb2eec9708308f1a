"""What generators share: options and the loss; of point-like samples also the frame, guidance and chunked sampling."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gde.nets.affine import GaussianFrame
from gde.nets.choosing import choose_samples
from gde.nets.drawing import DrawingOptions
from gde.nets.film import Modulation
from gde.nets.pool import behind, sample_mean
from gde.nets.registry import Options, resolve_kind
from gde.nets.velocity import REGISTRY as NETWORKS
from gde.sets.random import ShardRandom

# Points sampled together: as many as stay in a CPU's cache (1.7 times faster than 65,536), or fill a GPU.
POINTS_AT_ONCE = {"cpu": 8192, "cuda": 262_144}
PIXELS_AT_ONCE = {"cpu": 1 << 16, "cuda": 1 << 22}  # the same of images
GOLDEN = 0.6180339887498949


@dataclass(frozen=True, kw_only=True)
class NetworkOptions(Options):
    """Options of a kind's network.

    hidden : width of the network; layers : its residual layers or blocks.
    """

    hidden: int = 128
    layers: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(hidden=self.hidden, layers=self.layers)


@dataclass(frozen=True, kw_only=True)
class FrameOptions(NetworkOptions):
    """Options of a kind that may generate in the frame of a Gaussian.

    affine : generate in the frame m(z), L(z) of a Gaussian fitted by maximum likelihood, so that the network only
        learns what is not Gaussian.
    moment_weight : weight of the likelihood that fits it.
    """

    affine: bool = False
    moment_weight: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.moment_weight < 0:
            raise ValueError(f"moment_weight: found {self.moment_weight}, expected at least 0; 0 = no such term")


@dataclass(frozen=True, kw_only=True)
class PointOptions(FrameOptions):
    """Options of a kind that transports normal noise.

    time_features : Fourier features of the time.
    subsample : samples of each set that a training step's loss is computed on; None = all.
    drop, guidance : classifier-free guidance (Ho & Salimans 2022): z is replaced by a learned null embedding with
        probability `drop` in training; sampling extrapolates by `guidance` (1 = conditional, needs drop > 0 otherwise).
    """

    time_features: int = 16
    subsample: int | None = None
    drop: float = 0.0
    guidance: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(subsample=1 if self.subsample is None else self.subsample)
        if self.guidance != 1.0 and self.drop == 0.0:
            found = f"guidance: found {self.guidance} with drop 0"
            raise ValueError(f"{found}, expected drop > 0; set generator.drop to e.g. 0.1")


@dataclass(frozen=True, kw_only=True)
class SequenceOptions(NetworkOptions, DrawingOptions):
    """Options of a kind that generates sequences.

    subsample : sequences of each set that a training step's loss is computed on; None = all.
    """

    subsample: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(subsample=1 if self.subsample is None else self.subsample)


class Generator(nn.Module):
    """Embedding -> samples. Subclasses define `masked_loss(x, z, mask, weight, rng)` and `sample(z, n, generator=)`."""

    def loss(
        self,
        x: Tensor,
        z: Tensor,
        *,
        mask: Tensor | None = None,
        weight: Tensor | None = None,
        rng: ShardRandom | None = None,
    ) -> Tensor:
        """Scalar training loss, mean over the real samples.

        x : (b, n, d) standardised, or tokens (b, n, L); z : (b, l); mask (b, n) bool; weight (b, n).
        rng : where all that is random comes from (default: a draw of torch's global generator seeds one).
        """
        if mask is not None:  # what stands behind the mask may be anything, even NaN
            x = behind(mask, x)
        return self.masked_loss(x, z, mask, weight, rng or fresh_random(x))

    def masked_loss(self, x: Tensor, z: Tensor, mask: Tensor | None, weight: Tensor | None, rng: ShardRandom) -> Tensor:
        """The loss of samples x (b, n, ...) with zeros behind the mask."""
        raise NotImplementedError

    def sample(self, z: Tensor, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        """z : (b, l).   returns (b, n, d) standardised samples, or tokens; the same generator state gives the same."""
        raise NotImplementedError


class PointGenerator(Generator):
    """Embedding -> samples of a distribution on R^d, or of images, by a network that transports normal noise.

    Subclasses define `path_loss(y, modulation, rng)` (b, n) and `solve(y, modulation, generator)` (b, n, d).
    shape : of images, (c, h, w); None for vectors.
    """

    def __init__(self, options: PointOptions, *, dim: int, latent_dim: int, shape: tuple[int, int, int] | None = None):
        super().__init__()
        if shape is not None and options.affine:
            raise ValueError("affine: found true for images, expected false; no Gaussian is fitted to pixels")
        self.dim, self.shape = dim, (dim,) if shape is None else tuple(shape)
        self.moment_weight = options.moment_weight
        self.drop, self.guidance, self.subsample = options.drop, options.guidance, options.subsample
        sizes = {"hidden": options.hidden, "layers": options.layers, "time_features": options.time_features}
        network = resolve_kind(NETWORKS, "vectors" if shape is None else "images")
        self.net = network(dim if shape is None else self.shape, latent_dim, **sizes)
        self.frame = GaussianFrame(dim, latent_dim, options.hidden) if options.affine else None
        self.null = nn.Parameter(torch.zeros(latent_dim)) if options.drop > 0 else None

    def masked_loss(self, x: Tensor, z: Tensor, mask: Tensor | None, weight: Tensor | None, rng: ShardRandom) -> Tensor:
        moment_loss = 0.0
        if self.subsample is not None and self.subsample < x.shape[1] and torch.is_grad_enabled():
            x, mask = choose_samples(x, mask, weight, self.subsample, rng.rand(*x.shape[:2]))
            weight = None  # drawn by it
        if self.frame is not None:
            location, scale = self.frame(z)
            y = self.frame.to_frame(x, location, scale)
            moment_loss = self.moment_weight * sample_mean(self.frame.nll(y, scale), mask, weight)
            x = self.frame.to_frame(x, *self.frame.of_samples(x, mask, weight))
        if self.null is not None:
            z = torch.where(rng.rand(len(z), 1) < self.drop, self.null, z)
        return sample_mean(self.path_loss(x, self.net.modulation(z), rng), mask, weight) + moment_loss

    @torch.no_grad()
    def sample(self, z: Tensor, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        """z : (b, l).   returns (b, n, d) standardised samples; the same generator state gives the same samples."""
        out = z.new_empty(len(z), n, *self.shape)
        for part, pieces in sampling_pieces(z, out):
            modulation = self.net.modulation(part)
            if self.guidance != 1.0:
                modulation = [modulation, self.net.modulation(self.null.expand(1, -1))]
            for piece in pieces:
                noise = torch.randn(piece.shape, generator=generator, device=z.device, dtype=z.dtype)
                y = self.solve(noise, modulation, generator)
                if self.frame is not None:
                    y = self.frame.from_frame(y, *self.frame(part))
                piece.copy_(y)
        return out

    def predict(self, y: Tensor, t: Tensor, modulation: Modulation | list[Modulation]) -> Tensor:
        """The network's output at sampling, with guidance."""
        if self.guidance == 1.0:
            return self.net(y, t, modulation)
        conditional, free = (self.net(y, t, m) for m in modulation)
        return free + self.guidance * (conditional - free)

    def path_loss(self, y: Tensor, modulation: Modulation, rng: ShardRandom) -> Tensor:
        raise NotImplementedError

    def solve(self, y: Tensor, modulation: Modulation | list[Modulation], generator: torch.Generator | None) -> Tensor:
        raise NotImplementedError


def check_counts(**options: int) -> None:
    """ValueError naming the first option below 1."""
    for name, value in options.items():
        if value < 1:
            raise ValueError(f"{name}: found {value}, expected at least 1")


def fresh_random(x: Tensor) -> ShardRandom:
    """The source of noise of a loss that was given none: seeded by a draw of torch's global generator."""
    return ShardRandom(int(torch.randint(2**62, ())), 0, device=x.device)


def sampling_pieces(z: Tensor, out: Tensor) -> Iterator[tuple[Tensor, tuple[Tensor, ...]]]:
    """Cut z (b, l) and the samples to be written, out (b, n, d), into parts of at most POINTS_AT_ONCE points, or as
    many images (b, n, c, h, w) as have PIXELS_AT_ONCE.

    yields pairs of some rows of z and the views of `out` (rows, n', d) that together are these rows.
    """
    at_once = POINTS_AT_ONCE[z.device.type]
    if out.ndim > 3:
        at_once = max(1, PIXELS_AT_ONCE[z.device.type] // out[0, 0, 0].numel())
    rows = max(1, at_once // out.shape[1])
    for part, whole in zip(z.split(rows), out.split(rows), strict=True):
        yield part, whole.split(at_once, 1)


def beside(value: Tensor, y: Tensor) -> Tensor:
    """A number of each sample (b, n) in the axes of the samples y (b, n, ...)."""
    return value.reshape(*value.shape, *[1] * (y.ndim - 2))


def spread_times(b: int, n: int, rng: ShardRandom) -> Tensor:
    """Times in [0, 1), (b, n): a golden-ratio sequence from a random start per set.

    Uniform for each sample, evenly spread over the samples of a set and over any first few of them (masked sets),
    which lowers the variance of the loss against independent draws.
    """
    start = rng.rand(b, 1)
    return (start + GOLDEN * torch.arange(n, device=start.device)) % 1.0
