"""Plain multi-layer perceptrons."""

from collections.abc import Sequence
from itertools import pairwise

from torch import nn


def mlp(sizes: Sequence[int], *, last_activation: bool = False) -> nn.Sequential:
    """Linear layers of the given sizes with SiLU between them (and after the last one when asked)."""
    layers: list[nn.Module] = []
    for i, (a, b) in enumerate(pairwise(sizes)):
        layers.append(nn.Linear(a, b))
        if last_activation or i < len(sizes) - 2:
            layers.append(nn.SiLU())
    return nn.Sequential(*layers)
