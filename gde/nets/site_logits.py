"""Logits of the tokens at each position, for sequences that lie side by side, such as versions of one protein."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from gde.nets.site_components import beside, site_components
from gde.nets.tokens import possible, scored

PACE = 5.0  # times that what follows from the embedding is learned faster than other weights
# Sequences that every token is counted with at every position beside those seen; an end, over all positions
UNSEEN = 0.1
# Share of the training sequences that have a token at a position from which on other positions look at it
LINKED = 0.005
SMALLEST = 1e-6  # share whose logarithm is still a number
BEND = 0.02  # share at most around which one that moves to 0 bends, to stay above it


class SiteLogits(nn.Module):
    """log(how often a token stands at a position of training sequences) + what follows from the embedding: a
    distribution of each position by itself, from which a network has only to learn what deviates.

    Without it a network spends most of its steps on learning the common sequence by heart; the few positions at which
    populations differ are a small share of its loss. Class 0 is the end mark. Tokens above `known` stand for any and
    are missing; None = there are none.

    Two things follow from the embedding, each of rank `rank`. Shares move along the principal components of the
    training sequences, linearly: in a mixture of populations a token's share is the mixture of its shares, and so is
    an embedding that is a mean. Logits have linear effects, for what the components do not reach. Optimisers such as
    Adam move all weights by steps of one size, but a mutation's logit goes from about -4 to 4 within some hundred of
    them: the effects count PACE times. For the same reason tokens of which the training sequences have none keep the
    share that they are counted with: step by step they would become impossible.

    `linked` adds what follows from the tokens before, linearly and of the same rank (as a neural autoregressive
    distribution estimator without its sigmoid: Larochelle and Murray, AISTATS 2011, eq. 2): mutations of a lineage come
    together. Tokens count that are neither the usual one of their position nor in less than a share LINKED of the
    training sequences; they say how they differ from what the distribution of their position expected, so that links
    alone move no shares.
    """

    def __init__(self, length: int, classes: int, latent_dim: int, rank: int, known: int | None = None):
        super().__init__()
        self.known = known
        self.moves = nn.Linear(latent_dim, rank, bias=False)
        self.direction = nn.Linear(latent_dim, rank, bias=False)
        self.effect = nn.Parameter(torch.zeros(rank, length, classes))
        self.says = nn.Parameter(torch.zeros(length * classes, rank))
        self.follows = nn.Parameter(torch.randn(length, rank, classes) / rank**0.5)
        self.register_buffer("usual", torch.zeros(length, classes))
        self.register_buffer("seen", torch.ones(length, classes, dtype=torch.bool))
        self.register_buffer("components", torch.zeros(rank, length, classes))
        self.register_buffer("counts", torch.zeros(length, classes, dtype=torch.bool))  # tokens that say something
        nn.init.zeros_(self.moves.weight)

    @torch.no_grad()
    def fit(self, x: Tensor) -> None:
        """Take the usual tokens, and which of them vary together, from training tokens x (n, L), zeros behind the
        end."""
        x = x.long()
        there = torch.cat([torch.ones_like(x[:, :1], dtype=torch.bool), x[:, :-1] != 0], 1)  # tokens and the end mark
        classes = self.usual.shape[1]
        known = classes - 1 if self.known is None else self.known
        count = torch.stack([((x == c) & there).sum(0) * (c <= known) for c in range(classes)], -1)
        more = torch.full((classes,), UNSEEN, device=x.device)
        more[0] /= len(count)  # else every tenth sequence or so would end somewhere
        self.usual.copy_(((count + more) / (count + more).sum(-1, keepdim=True)).log())
        self.seen.copy_(count > 0)
        # one sequence with a deletion would be a component by itself, and the largest
        components, sd = site_components(x[beside(x, known)], known, len(self.components))
        self.components.zero_()
        self.components[..., 1 : known + 1] = components * sd[:, None, None]
        self.counts.copy_(count >= max(2, LINKED * len(x)))
        self.counts.scatter_(1, count.argmax(1, keepdim=True), False)
        self.counts[:, 0] = False  # nothing follows the end

    def forward(self, z: Tensor) -> Tensor:
        """z : (b, l).   returns logits (b, L, classes)."""
        usual = self.usual.softmax(-1)
        moved = usual + torch.einsum("br,rlc->blc", self.moves(z), self.components)
        width = (usual * (1 - usual) / 2).clamp(SMALLEST, BEND)
        shift = bent(moved, width).log() - bent(usual, width).log()
        return self.usual + shift + torch.einsum("br,rlc->blc", self.direction(z), PACE * self.effect * self.seen)

    def nll(self, logits: Tensor, x: Tensor, weight: Tensor | None = None) -> Tensor:
        """As `tokens_nll`, of many sequences x (b, n, L) int64 under logits (b, L, classes) of their sets: (b, n)."""
        there = scored(x, known=self.known)
        log_share = possible(logits.float(), self.known).log_softmax(-1)
        found = log_share.gather(-1, torch.where(there, x, 1).transpose(1, 2)).transpose(1, 2)
        nll = torch.where(there, -found, 0.0)
        return (nll if weight is None else nll * weight).sum(-1)

    def expected(self, logits: Tensor) -> Tensor:
        """What is said on average under logits (r, L, classes) that positions have by themselves: (r, L, k)."""
        share = possible(logits.detach().float(), self.known).softmax(-1) * self.counts
        return torch.einsum("rlc,lck->rlk", share, self.says.unflatten(0, self.usual.shape))

    def said(self, x: Tensor, expected: Tensor, position: int | None = None) -> Tensor:
        """What tokens say to the positions behind them, beyond what is `expected` (r, L, k): x (r, L) of all positions,
        or (r,) of one -> (r, L, k), (r, k). Missing ones say nothing."""
        positions = torch.arange(x.shape[1], device=x.device) if position is None else position
        classes = self.usual.shape[1]
        says = functional.embedding(positions * classes + x, self.says * self.counts.flatten()[:, None])
        says = says - (expected if position is None else expected[:, position])
        return says if self.known is None else says * (x <= self.known)[..., None]

    def linked(self, x: Tensor, logits: Tensor) -> Tensor:
        """Logits (r, L, classes) of every position of sequences x (r, L) int64 from the tokens before it, where
        positions by themselves have `logits` (r, L, classes)."""
        said = functional.pad(self.said(x, self.expected(logits))[:, :-1].cumsum(1), (0, 0, 1, 0))
        return torch.einsum("rlk,lkc->rlc", said, self.follows)


def bent(share: Tensor, width: Tensor) -> Tensor:
    """max(share, 0), bent around 0 within about `width`, so that it stays above 0 and has a gradient."""
    far = 0.5 * (share.abs() + (share * share + 4 * width * width).sqrt())
    return torch.where(share > 0, far, width * width / far)
