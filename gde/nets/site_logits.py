"""Logits of the letters at each place, for sequences that lie side by side, such as versions of one protein."""

import torch
from torch import Tensor, nn

UNSEEN = 0.1  # sequences that every letter is counted with at every place beside those seen


class SiteLogits(nn.Module):
    """log(how often a letter stands at a place of training sequences) + a function of rank `rank`, linear in the
    embedding: a law of each place by itself, from which a network has only to learn what deviates.

    Without it a network spends most of its steps on learning the common sequence by heart; the few places at which
    populations differ are a small share of its loss. Class 0 is the end mark.
    """

    def __init__(self, length: int, classes: int, latent_dim: int, rank: int):
        super().__init__()
        self.usual = nn.Parameter(torch.zeros(length, classes))
        self.direction = nn.Linear(latent_dim, rank, bias=False)
        self.effect = nn.Parameter(torch.zeros(rank, length, classes))

    @torch.no_grad()
    def fit(self, x: Tensor) -> None:
        """Take the usual letters from training tokens x (n, L), zeros behind the end."""
        x = x.long()
        there = torch.cat([torch.ones_like(x[:, :1], dtype=torch.bool), x[:, :-1] != 0], 1)  # letters and the end mark
        classes = self.usual.shape[1]
        count = torch.stack([((x == c) & there).sum(0) for c in range(classes)], -1) + UNSEEN
        self.usual.copy_((count / count.sum(-1, keepdim=True)).log())

    def forward(self, z: Tensor) -> Tensor:
        """z : (b, l).   returns logits (b, L, classes)."""
        return self.usual + torch.einsum("br,rlc->blc", self.direction(z), self.effect)
