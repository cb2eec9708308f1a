"""Convolutions over the images of a set, some of which also see the set's mean feature map (arXiv 2505.18150)."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gde.encoders.base import Encoder, EncoderOptions
from gde.nets.context_conv import ContextConv
from gde.nets.stem import Stem

CELLS = 4  # on a side, into which maps are averaged at the end


@dataclass(frozen=True, kw_only=True)
class ImageConvOptions(EncoderOptions):
    """Options of `ImageConv`.

    hidden : channels of the maps; the finest have half as many.   layers : convolutions that see the set's mean map.
    """

    hidden: int = 64
    layers: int = 2


class ImageConv(Encoder):
    """Shared stem that halves the image to maps of eight pixels on a side or fewer; `layers` residual convolutions that
    see the set's mean map; maps averaged in CELLS x CELLS cells; a hidden layer; the set mean; an MLP."""

    Options = ImageConvOptions

    def __init__(self, options: ImageConvOptions, *, dim: int, latent_dim: int, shape: tuple[int, int, int]):
        super().__init__(options, dim=dim, latent_dim=latent_dim, shape=shape)
        hidden, self.n_layers = options.hidden, options.layers + 1
        self.stem = Stem(shape, hidden)
        self.context = nn.ModuleList(ContextConv(hidden) for _ in range(options.layers))
        self.cells = [min(CELLS, side) for side in self.stem.map[:2]]
        self.hidden = nn.Sequential(nn.Linear(hidden * self.cells[0] * self.cells[1], 4 * hidden), nn.SiLU())
        self.out = nn.Sequential(nn.Linear(4 * hidden, 4 * hidden), nn.SiLU(), nn.Linear(4 * hidden, latent_dim))
        self.to(memory_format=torch.channels_last)

    def prepare(self, x: Tensor) -> Tensor:
        return x

    def layer(self, k: int, u: Tensor, h: Tensor | None, pooled: list[Tensor]) -> Tensor:
        """Feature maps (b, n, f h w) of layer k; of the last one what its map says, (b, n, 4 hidden)."""
        b, n = u.shape[:2]
        if k == 0:
            maps = self.stem(u.flatten(0, 1))
        else:
            maps = self.context[k - 1](self.maps_of(h), self.maps_of(pooled[k - 1]))
        if k + 1 < self.n_layers:
            return maps.permute(0, 2, 3, 1).reshape(b, n, -1)
        return self.hidden(F.adaptive_avg_pool2d(maps, self.cells).flatten(1)).unflatten(0, (b, n))

    def maps_of(self, h: Tensor) -> Tensor:
        """Feature maps of images (b, n, h w f) as convolutions take them, (b n, f, h, w) with the channels last."""
        return h.reshape(-1, *self.stem.map).permute(0, 3, 1, 2)

    def head(self, pooled: list[Tensor]) -> Tensor:
        return self.out(pooled[-1])
