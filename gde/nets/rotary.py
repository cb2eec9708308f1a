"""Rotary positions (Su et al. 2021): pairs of neighbouring numbers turn by an angle that grows with the position."""

import torch
from torch import Tensor

BASE = 10_000.0  # the slowest pair's angle is 1 / BASE per position, nearly


def rotations(positions: int, rotary: int) -> Tensor:
    """Cosine and sine of the angle of every position and pair, (positions, rotary / 2, 2) float32; `rotary` is even."""
    speed = BASE ** (-torch.arange(0, rotary, 2, dtype=torch.float64) / rotary)
    # float32 angles are wrong after 10^4 positions
    angle = torch.arange(positions, dtype=torch.float64)[:, None] * speed
    return torch.stack([angle.cos(), angle.sin()], -1).float()


def turned(h: Tensor, rotation: Tensor) -> Tensor:
    """The first numbers of each vector turned, pair (2i, 2i + 1) by angle i of its position; the others stay.

    h : (..., t, e); rotation : (t, k, 2) of these positions, 2 k <= e.   returns (..., t, e) in h's type.
    """
    width = 2 * rotation.shape[1]
    a, b = h[..., :width].float().unflatten(-1, (-1, 2)).unbind(-1)  # (..., t, k)
    cos, sin = rotation.unbind(-1)
    first = torch.stack([a * cos - b * sin, a * sin + b * cos], -1).flatten(-2)
    return torch.cat([first.to(h.dtype), h[..., width:]], -1)
