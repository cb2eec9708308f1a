"""Embedding -> a fixed number of points, by attention among the points."""

import torch
from torch import Tensor, nn

from gde.nets.attention import SetAttention
from gde.nets.mlp import mlp

WIDENING = 2  # width of a block's MLP, in widths of the block


class PointDecoder(nn.Module):
    """Learned vectors, one per point, moved by a map of the embedding, then layers of self-attention and MLP."""

    def __init__(self, dim: int, latent_dim: int, *, points: int, hidden: int, layers: int, heads: int):
        super().__init__()
        self.points = nn.Parameter(torch.randn(points, hidden))
        self.embed = mlp([latent_dim, hidden, hidden])
        self.attentions = nn.ModuleList(SetAttention(hidden, heads) for _ in range(layers))
        self.mlps = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(hidden), *mlp([hidden, WIDENING * hidden, hidden])) for _ in range(layers)
        )
        self.output = nn.Sequential(nn.LayerNorm(hidden), nn.Linear(hidden, dim))
        self.location = nn.Linear(latent_dim, dim)  # where the points are together need not pass a layer norm

    def forward(self, z: Tensor) -> Tensor:
        """z : (b, l).   returns (b, points, d)."""
        h = self.points + self.embed(z)[:, None]  # (b, points, hidden)
        for attention, feed_forward in zip(self.attentions, self.mlps, strict=True):
            h = h + attention.attend(h, attention(h))
            h = h + feed_forward(h)
        return self.output(h) + self.location(z)[:, None]
