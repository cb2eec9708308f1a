"""Convolutional blocks over sequences: features (r, c, t)."""

import torch
from torch import Tensor, nn
from torch.nn.functional import group_norm, silu

from gde.nets.sequence_condition import Film, modulated

GROUPS = 8  # of channels that are normalised together, or the largest divisor of their number below


def groups_of(channels: int) -> int:
    """The number of groups of a group norm."""
    return max(g for g in range(1, GROUPS + 1) if channels % g == 0)


class MaskedGroupNorm(nn.Module):
    """Group norm over the positions of each sequence where tokens stand; zeros elsewhere.

    Statistics in float32. They are of one sequence alone: the same in training and later, whatever else is in the set.
    """

    def __init__(self, channels: int, eps: float = 1e-5):
        super().__init__()
        self.groups, self.eps = groups_of(channels), eps
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, h: Tensor, positions: Tensor) -> Tensor:
        """h : (r, c, t); positions : (r, 1, t) of 0 and 1.   returns (r, c, t) in h's dtype."""
        if positions.is_cpu and positions.all():  # several times as fast; a GPU would have to wait for the answer
            return group_norm(h, self.groups, self.weight, self.bias, self.eps).to(h.dtype)
        kept = h * positions.to(h.dtype)
        numbers = positions.sum(-1).clamp(min=1) * (h.shape[1] // self.groups)  # (r, 1) behind each mean
        mean = self._grouped(kept.float()) / numbers
        variance = (self._grouped(kept.float().square()) / numbers - mean.square()).clamp(min=0.0)
        scale = self._spread((variance + self.eps).rsqrt()) * self.weight  # (r, c)
        shift = self.bias - self._spread(mean) * scale
        return torch.addcmul(shift[..., None], kept, scale[..., None]).to(h.dtype) * positions.to(h.dtype)

    def _grouped(self, h: Tensor) -> Tensor:
        return h.sum(-1).unflatten(1, (self.groups, -1)).sum(-1)  # (r, groups)

    def _spread(self, v: Tensor) -> Tensor:
        return v.repeat_interleave(len(self.weight) // self.groups, 1)  # (r, c)


class FilmConvBlock(nn.Module):
    """h + conv(silu(norm h)), the norm modulated by an embedding."""

    def __init__(self, channels: int, kernel: int):
        super().__init__()
        self.norm = nn.GroupNorm(groups_of(channels), channels)
        self.conv = nn.Conv1d(channels, channels, kernel, padding=kernel // 2)

    def forward(self, h: Tensor, film: Film) -> Tensor:
        """h : (r, c, t); film : scale and shift (r, c, 1).   returns (r, c, t)."""
        return h + self.conv(silu(modulated(self.norm(h), film)))
