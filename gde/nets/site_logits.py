"""Logits of the letters at each place, for sequences that lie side by side, such as versions of one protein."""

import torch
from torch import Tensor, nn
from torch.nn import functional

PACE = 5.0  # times that what follows from the embedding is learned faster than other weights
UNSEEN = 0.1  # sequences that every letter is counted with at every place beside those seen; an end, over all places
LINKED = 0.005  # share of the training sequences that have a letter at a place from which on other places look at it


class SiteLogits(nn.Module):
    """log(how often a letter stands at a place of training sequences) + a function of rank `rank`, linear in the
    embedding: a law of each place by itself, from which a network has only to learn what deviates.

    Without it a network spends most of its steps on learning the common sequence by heart; the few places at which
    populations differ are a small share of its loss. Class 0 is the end mark.

    Optimisers such as Adam move all weights by steps of one size, but a mutation's logit goes from about -4 to 4 within
    some hundred of them: the effects count PACE times.

    `linked` adds what follows from the letters before, linearly and of the same rank (as a neural autoregressive
    distribution estimator without its sigmoid: Larochelle and Murray, AISTATS 2011, eq. 2): mutations of a lineage come
    together. Letters count that are neither the usual one of their place nor in less than a share LINKED of the
    training sequences.
    """

    def __init__(self, length: int, classes: int, latent_dim: int, rank: int):
        super().__init__()
        self.usual = nn.Parameter(torch.zeros(length, classes))
        self.direction = nn.Linear(latent_dim, rank, bias=False)
        self.effect = nn.Parameter(torch.zeros(rank, length, classes))
        self.says = nn.Parameter(torch.zeros(length * classes, rank))
        self.follows = nn.Parameter(torch.randn(length, rank, classes) / rank**0.5)
        self.register_buffer("counts", torch.zeros(length, classes, dtype=torch.bool))  # letters that say something

    @torch.no_grad()
    def fit(self, x: Tensor) -> None:
        """Take the usual letters from training tokens x (n, L), zeros behind the end."""
        x = x.long()
        there = torch.cat([torch.ones_like(x[:, :1], dtype=torch.bool), x[:, :-1] != 0], 1)  # letters and the end mark
        classes = self.usual.shape[1]
        count = torch.stack([((x == c) & there).sum(0) for c in range(classes)], -1)
        more = torch.full((classes,), UNSEEN, device=x.device)
        more[0] /= len(count)  # else every tenth sequence or so would end somewhere
        self.usual.copy_(((count + more) / (count + more).sum(-1, keepdim=True)).log())
        self.counts.copy_(count >= max(2, LINKED * len(x)))
        self.counts.scatter_(1, count.argmax(1, keepdim=True), False)
        self.counts[:, 0] = False  # nothing follows the end

    def forward(self, z: Tensor) -> Tensor:
        """z : (b, l).   returns logits (b, L, classes)."""
        return self.usual + torch.einsum("br,rlc->blc", self.direction(z), PACE * self.effect)

    def said(self, x: Tensor, place: int | None = None) -> Tensor:
        """What letters say to the places behind them: x (r, L) of all places, or (r,) of one -> (r, L, k), (r, k)."""
        places = torch.arange(x.shape[1], device=x.device) if place is None else place
        classes = self.usual.shape[1]
        return functional.embedding(places * classes + x, self.says * self.counts.flatten()[:, None])

    def linked(self, x: Tensor) -> Tensor:
        """Logits (r, L, classes) of every place of sequences x (r, L) int64 from the letters before it."""
        said = functional.pad(self.said(x)[:, :-1].cumsum(1), (0, 0, 1, 0))
        return torch.einsum("rlk,lkc->rlc", said, self.follows)
