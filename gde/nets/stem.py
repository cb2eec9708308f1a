"""Stem: convolutions that make small feature maps of images."""

from torch import Tensor, nn

from gde.nets.unet import SMALLEST, in_blocks, norm


class Stem(nn.Module):
    """Pixels in blocks of 2 x 2, then halved by convolutions until the maps have SMALLEST pixels on a side.

    hidden : channels of the maps; the finest have half as many.   map : (h, w, hidden) of what it makes.
    """

    def __init__(self, shape: tuple[int, int, int], hidden: int):
        super().__init__()
        c, *side = shape
        width, side = max(8, hidden // 2), halved(side)
        layers: list[nn.Module] = [nn.Conv2d(4 * c, width, 3, padding=1), norm(width), nn.SiLU()]
        stride = 1
        while width != hidden or max(side) > SMALLEST:
            stride, side = (2, halved(side)) if max(side) > SMALLEST else (1, side)
            layers += [nn.Conv2d(width, hidden, 3, stride=stride, padding=1), norm(hidden), nn.SiLU()]
            width = hidden
        self.layers, self.map = nn.Sequential(*layers), (*side, hidden)

    def forward(self, x: Tensor) -> Tensor:
        """x : (m, c, h, w).   returns (m, hidden, h', w'), channels last in memory."""
        return self.layers(in_blocks(x))


def halved(side: tuple[int, int] | list[int]) -> list[int]:
    """Half the pixels on each side, rounded up."""
    return [(n + 1) // 2 for n in side]
