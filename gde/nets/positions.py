"""Positions: what stands at each position of sequences that lie side by side, such as versions of one protein."""

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding_bag, silu

from gde.nets.site_components import site_components

UNVARIED = 1e-6  # variance of the tokens of all positions together below which there is nothing to scale by


class Positions(nn.Module):
    """Sequence -> features of the tokens at its positions, less those usual there; then the same through an MLP, which
    sees what stands together.

    A position at which all training sequences agree says nothing, and rare tokens little: tokens are centred by their
    training shares position by position, and scaled by one number, so that the features have a variance of about 1.
    They start as the principal components of the training sequences, as far as there are any, the others at random. The
    alphabet's last token, which stands for any, counts as the training mean.
    """

    def __init__(self, length: int, vocabulary: int, features: int):
        super().__init__()
        self.length, self.vocabulary = length, vocabulary
        self.weight = nn.Parameter(torch.randn(length, vocabulary - 1, features))
        self.joint = nn.Linear(features, features)
        self.register_buffer("usual", torch.zeros(length, vocabulary - 1))
        self.register_buffer("scale", torch.tensor(float(length) ** 0.5))

    @torch.no_grad()
    def fit(self, x: Tensor) -> None:
        """Shares of the known tokens at every position, their variance and components, from training tokens x (n,
        L)."""
        tokens = torch.arange(1, self.vocabulary, device=x.device)
        known = (x != self.vocabulary).sum(0).clamp(min=1)
        shares = torch.stack([(x == token).sum(0) / known for token in tokens], -1)
        variance = (shares * (1 - shares)).sum()
        self.usual.copy_(shares)
        self.scale.fill_(variance.sqrt() if variance > UNVARIED else 1.0)
        components, sd = site_components(x, self.vocabulary - 1, self.weight.shape[-1])
        there = sd > 0
        self.weight[..., there] = components[there].permute(1, 2, 0) * there.sum().sqrt()

    def forward(self, x: Tensor) -> Tensor:
        """x : (r, L) tokens.   returns (r, 2 features) float32."""
        usual = (self.usual[..., None] * self.weight).sum(1, keepdim=True)  # (L, 1, f)
        table = torch.cat([-usual, self.weight - usual, torch.zeros_like(usual)], 1)  # by token: none, tokens, any
        at = x.long() + torch.arange(self.length, device=x.device) * (self.vocabulary + 1)
        u = embedding_bag(at, table.flatten(0, 1), mode="sum") / self.scale
        return torch.cat([u, silu(self.joint(u))], -1)
