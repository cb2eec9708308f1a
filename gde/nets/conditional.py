"""The network of flow matching and diffusion: a residual MLP over samples, modulated by their set's embedding."""

import math

import torch
from torch import Tensor, nn


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


class ConditionalMLP(nn.Module):
    """Residual MLP on samples with FiLM (feature-wise affine) modulation by the embedding (Perez et al. 2018).

    Time enters with each sample at the input, the embedding through the modulation only. The modulation is
    therefore one small matrix product per set and is computed once for all steps of a solver (`modulation`).
    The output layer starts at zero.
    """

    def __init__(self, dim: int, latent_dim: int, *, hidden: int, layers: int, time_features: int):
        super().__init__()
        self.time = FourierTime(time_features)
        self.input = nn.Linear(dim + time_features, hidden)
        self.embed = nn.Sequential(nn.Linear(latent_dim, hidden), nn.SiLU())
        self.film = nn.Linear(hidden, layers * 2 * hidden)
        self.norms = nn.ModuleList(nn.LayerNorm(hidden, elementwise_affine=False) for _ in range(layers))
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(hidden, hidden), nn.SiLU(), nn.Linear(hidden, hidden)) for _ in range(layers)
        )
        self.output = nn.Linear(hidden, dim)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def modulation(self, z: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Scale and shift of every block: z (b, l) -> layers x ((b, 1, hidden), (b, 1, hidden))."""
        pairs = self.film(self.embed(z))[:, None].chunk(len(self.blocks), -1)
        return [tuple((1 + pair).chunk(2, -1)) for pair in pairs]

    def forward(self, y: Tensor, t: Tensor, modulation: list[tuple[Tensor, Tensor]]) -> Tensor:
        """y : (b, n, d); t : (b, n) or scalar tensor in [0, 1].   returns (b, n, d)."""
        time = self.time(t).expand(*y.shape[:2], -1)
        h = self.input(torch.cat([y, time], -1))  # (b, n, hidden)
        for norm, block, (scale, shift) in zip(self.norms, self.blocks, modulation, strict=True):
            h = h + block(norm(h) * scale + (shift - 1))
        return self.output(h)
