"""The network of flow matching and diffusion on images: a U-Net that the embedding of the set modulates."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gde.nets.conditional import FourierTime

SMALLEST = 8  # pixels on a side of the coarsest maps, at most
WIDEST = 4  # times the width, of the coarsest maps
GROUP = 8  # channels that are normalised together


def norm(channels: int) -> nn.GroupNorm:
    """GroupNorm over groups of about GROUP channels."""
    groups = max(1, channels // GROUP)
    while channels % groups:
        groups -= 1
    return nn.GroupNorm(groups, channels)


class FilmBlock(nn.Module):
    """Residual block of two convolutions, with FiLM (Perez et al. 2018) between them."""

    def __init__(self, channels: int, out: int, start: int):
        """start : of this block's numbers among those of all blocks."""
        super().__init__()
        self.films = slice(start, start + 2 * out)
        self.first, self.second = norm(channels), norm(out)
        self.conv1, self.conv2 = nn.Conv2d(channels, out, 3, padding=1), nn.Conv2d(out, out, 3, padding=1)
        self.skip = nn.Conv2d(channels, out, 1) if channels != out else nn.Identity()
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)

    def forward(self, x: Tensor, film: Tensor) -> Tensor:
        """x : (m, channels, h, w); film (m, of all blocks): its own: 1 + the first half scales, the second shifts."""
        h = self.conv1(F.silu(self.first(x)))
        scale, shift = film[:, self.films, None, None].chunk(2, 1)
        return self.skip(x) + self.conv2(F.silu(torch.addcmul(shift, self.second(h), 1 + scale)))


class UNet(nn.Module):
    """y (b, n, c, h, w), t, z -> (b, n, c, h, w); zero at the start of training.

    Pixels go in and out as blocks of 2 x 2, so that no convolution is made at full size, then maps are halved until
    they have SMALLEST pixels on a side, and doubled again with what was there before: 28 -> 14 -> 7. What does not
    divide is padded, and cut off again. `layers` blocks at every size, of `hidden` channels at the finest, twice as
    many at each coarser one, WIDEST times at most.

    The embedding enters through one matrix product for the set (`modulation`), however many images and solver steps
    follow; the time through one for the image.
    """

    def __init__(self, shape: tuple[int, int, int], latent_dim: int, *, hidden: int, layers: int, time_features: int):
        super().__init__()
        self.shape, self.numbers = tuple(shape), 0
        c, h, w = self.shape
        widths, side = [hidden], (max(h, w) + 1) // 2
        while side > SMALLEST:
            side = (side + 1) // 2
            widths.append(hidden * min(2 ** len(widths), WIDEST))
        steps = list(pairwise(widths))
        self.input = nn.Conv2d(4 * c, hidden, 3, padding=1)
        self.down = nn.ModuleList(self._blocks(width, width, layers) for width in widths)
        self.coarser = nn.ModuleList(nn.Conv2d(fine, coarse, 3, stride=2, padding=1) for fine, coarse in steps)
        self.finer = nn.ModuleList(nn.Conv2d(coarse, fine, 3, padding=1) for fine, coarse in steps)
        self.up = nn.ModuleList(self._blocks(2 * fine, fine, layers) for fine, _ in steps)
        self.last, self.output = norm(hidden), nn.Conv2d(hidden, 4 * c, 3, padding=1)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)
        inner = 4 * hidden
        self.embed = nn.Sequential(nn.Linear(latent_dim, inner), nn.SiLU(), nn.Linear(inner, self.numbers))
        self.time = nn.Sequential(FourierTime(time_features), nn.Linear(time_features, inner), nn.SiLU())
        self.timed = nn.Linear(inner, self.numbers, bias=False)
        self.to(memory_format=torch.channels_last)

    def _blocks(self, channels: int, width: int, layers: int) -> nn.ModuleList:
        blocks = []
        for k in range(layers):
            blocks.append(FilmBlock(width if k else channels, width, self.numbers))
            self.numbers += 2 * width
        return nn.ModuleList(blocks)

    def modulation(self, z: Tensor) -> Tensor:
        """What the embeddings z (b, l) do to all blocks, (b, 1, numbers)."""
        return self.embed(spread(z))[:, None]

    def forward(self, y: Tensor, t: Tensor, modulation: Tensor) -> Tensor:
        """y : (b, n, c, h, w); t : (b, n) or scalar tensor in [0, 1]; modulation as of `modulation`."""
        film = (modulation + self.timed(self.time(t))).expand(*y.shape[:2], -1).flatten(0, 1)
        x = self.input(in_blocks(y.flatten(0, 1)))
        kept: list[Tensor] = []
        for i, blocks in enumerate(self.down):
            if i:
                kept.append(x)
                x = self.coarser[i - 1](x)
            for block in blocks:
                x = block(x, film)
        for i, fine in reversed(list(enumerate(kept))):
            x = F.interpolate(x, scale_factor=2.0)[..., : fine.shape[-2], : fine.shape[-1]]
            x = torch.cat([self.finer[i](x), fine], 1)
            for block in self.up[i]:
                x = block(x, film)
        x = F.pixel_shuffle(self.output(F.silu(self.last(x))), 2)
        return x[..., : self.shape[1], : self.shape[2]].reshape(y.shape)


def spread(z: Tensor) -> Tensor:
    """Embeddings (b, l) with numbers of about the size of their distances: those that lie 1 apart in l dimensions
    differ by l^-1/2 in each, which a network of images long takes for nothing."""
    return z * z.shape[-1] ** 0.5


def in_blocks(x: Tensor) -> Tensor:
    """Pixels as blocks of 2 x 2: (m, c, h, w) -> (m, 4 c, h / 2, w / 2), channels last; an odd side is padded."""
    h, w = x.shape[-2:]
    if h % 2 or w % 2:
        x = F.pad(x, (0, w % 2, 0, h % 2), mode="replicate")
    return F.pixel_unshuffle(x, 2).contiguous(memory_format=torch.channels_last)
