"""The network of flow matching and diffusion: the FiLM network of a sample and a time."""

import math

import torch
from torch import Tensor, nn

from gde.nets.film import FilmMLP, Modulation


class FourierTime(nn.Module):
    """Features cos(2 pi k t), sin(2 pi k t), k = 1/2, 1, 3/2, ... of a time in [0, 1]; (...,) -> (..., n_features)."""

    def __init__(self, n_features: int):
        super().__init__()
        if n_features % 2:
            raise ValueError(f"time_features must be even, found {n_features}")
        self.register_buffer("frequency", math.pi * torch.arange(1, n_features // 2 + 1), persistent=False)

    def forward(self, t: Tensor) -> Tensor:
        phase = t[..., None] * self.frequency
        return torch.cat([phase.cos(), phase.sin()], -1)


class ConditionalMLP(FilmMLP):
    """The FiLM network with the time beside each sample at its input."""

    def __init__(self, dim: int, latent_dim: int, *, hidden: int, layers: int, time_features: int):
        super().__init__(dim + time_features, dim, latent_dim, hidden=hidden, layers=layers)
        self.time = FourierTime(time_features)

    def forward(self, y: Tensor, t: Tensor, modulation: Modulation) -> Tensor:
        """y : (b, n, d); t : (b, n) or scalar tensor in [0, 1].   returns (b, n, d)."""
        return super().forward(self.with_time(y, t), modulation)

    def with_time(self, y: Tensor, t: Tensor) -> Tensor:
        """The network's input: samples and the features of their times, (b, n, d + time_features)."""
        return torch.cat([y, self.time(t).expand(*y.shape[:2], -1)], -1)
