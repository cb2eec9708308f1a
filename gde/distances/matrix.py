"""Distance matrices from a distance of pairs."""

from collections.abc import Callable

import torch
from torch import Tensor

PAIRS = 4096  # computed together


def all_pairs(distance: Callable[[Tensor, Tensor], Tensor], b: int, device: torch.device) -> Tensor:
    """Symmetric matrix (b, b) float64 with zero diagonal; distance(i, j) gives those of pairs of indices (p,), (p,)."""
    i, j = torch.triu_indices(b, b, 1, device=device)
    out = torch.zeros(b, b, dtype=torch.float64, device=device)
    for start in range(0, len(i), PAIRS):
        part = slice(start, start + PAIRS)
        out[i[part], j[part]] = distance(i[part], j[part])
    return out + out.T
