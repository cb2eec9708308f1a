"""Decoder: images of codes, modulated by the embedding of their set."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gde.nets.stem import halved
from gde.nets.unet import SMALLEST, WIDEST, FilmBlock, norm, spread


class ImageDecoder(nn.Module):
    """Codes to the smallest maps by a linear map, doubled until they are the image in blocks of 2 x 2.

    The embedding modulates every block by one matrix product for the set, codes by one for the image. hidden : channels
    of the finest maps, twice as many at each coarser one, WIDEST times at most.
    """

    def __init__(self, shape: tuple[int, int, int], code_dim: int, latent_dim: int, *, hidden: int, layers: int):
        super().__init__()
        self.shape = tuple(shape)
        c, *side = self.shape
        self.sides = [halved(side)]
        while max(self.sides[-1]) > SMALLEST:
            self.sides.append(halved(self.sides[-1]))
        widths = [hidden * min(2**i, WIDEST) for i in range(len(self.sides))]
        self.start = nn.Linear(code_dim, widths[-1] * self.sides[-1][0] * self.sides[-1][1])
        self.blocks, self.finer, numbers = nn.ModuleList(), nn.ModuleList(), 0
        for i in reversed(range(len(widths))):
            own = []
            for _ in range(layers):
                own.append(FilmBlock(widths[i], widths[i], numbers))
                numbers += 2 * widths[i]
            self.blocks.append(nn.ModuleList(own))
            if i:
                self.finer.append(nn.Conv2d(widths[i], widths[i - 1], 3, padding=1))
        self.last, self.output = norm(hidden), nn.Conv2d(hidden, 4 * c, 3, padding=1)
        self.embed = nn.Sequential(nn.Linear(latent_dim, 4 * hidden), nn.SiLU(), nn.Linear(4 * hidden, numbers))
        self.coded = nn.Linear(code_dim, numbers, bias=False)
        self.to(memory_format=torch.channels_last)

    def modulation(self, z: Tensor) -> Tensor:
        """What the embeddings z (b, l) do to all blocks, (b, 1, numbers)."""
        return self.embed(spread(z))[:, None]

    def forward(self, code: Tensor, modulation: Tensor) -> Tensor:
        """code : (b, n, k).   returns (b, n, c, h, w)."""
        film = (modulation + self.coded(code)).flatten(0, 1)
        x = self.start(code).flatten(0, 1).unflatten(1, (*self.sides[-1], -1)).permute(0, 3, 1, 2)
        for i, blocks in enumerate(self.blocks):
            if i:
                h, w = self.sides[-1 - i]
                x = self.finer[i - 1](F.interpolate(x, scale_factor=2.0)[..., :h, :w])
            for block in blocks:
                x = block(x, film)
        x = F.pixel_shuffle(self.output(F.silu(self.last(x))), 2)[..., : self.shape[1], : self.shape[2]]
        return x.unflatten(0, code.shape[:2])
