"""Sequences of tokens as networks see them: tokens 1..v for tokens, 0 from the end on.

A sequence shorter than its row ends with an end mark, token 0 at its first empty position; one that fills the row has
none. Logits are (..., L, v + 1), class 0 the end mark, impossible in the first position because no sequence is empty.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, pad


def cleaned(x: Tensor, mask: Tensor | None = None) -> Tensor:
    """Tokens (b, n, L) with zeros behind each sequence's end and behind the mask (b, n), as int64."""
    kept = (x == 0).cumsum(-1) == 0
    if mask is not None:
        kept = kept & mask[..., None]
    return torch.where(kept, x, 0).long()


def tokens_nll(
    logits: Tensor,
    x: Tensor,
    *,
    weight: Tensor | None = None,
    ended: Tensor | None = None,
    known: int | None = None,
) -> Tensor:
    """Negative log-likelihood of the tokens and the end mark of each sequence, in nats.

    logits : (..., L, v + 1); x : (..., L) int64 as `cleaned` gives.   returns (...,) float32; 0 for a row without
    tokens. What stands after the end has no part in it. weight (L,) : of every position; None = 1.
    ended (...,) bool : rows whose end mark counts; None = all.
    known : tokens above it stand for any: they are missing, as if nobody had looked; None = there are none.
    """
    told = x if known is None else torch.where(x > known, 0, x)
    nll = cross_entropy(possible(logits.float(), known).flatten(0, -2), told.flatten(), reduction="none").view(x.shape)
    nll = torch.where(scored(x, ended=ended, known=known), nll, 0.0)
    return (nll if weight is None else nll * weight).sum(-1)


def scored(x: Tensor, *, ended: Tensor | None = None, known: int | None = None) -> Tensor:
    """Which positions of sequences (..., L) a likelihood is of: (..., L) bool; `ended`, `known` as in `tokens_nll`."""
    there = (pad(x[..., :-1], (1, 0), value=1) != 0) & (x[..., :1] != 0)
    if ended is not None:
        there = there & ((x != 0) | ended[..., None])
    return there if known is None else there & (x <= known)


def possible(logits: Tensor, known: int | None = None) -> Tensor:
    """The logits (..., L, v + 1) with the end mark in the first position, and tokens above `known`, made impossible."""
    closed = torch.zeros(logits.shape[-2:], dtype=torch.bool, device=logits.device)
    closed[0, 0] = True
    if known is not None:
        closed[:, known + 1 :] = True
    return logits.masked_fill(closed, -math.inf)


def one_hot(x: Tensor, vocabulary: int) -> Tensor:
    """Tokens (..., L) of any dtype -> (..., v, L) float32 with a one for each token, zeros where nothing stands."""
    return (x[..., None, :] == torch.arange(1, vocabulary + 1, device=x.device)[:, None]).float()


def cut_at_end(x: Tensor) -> Tensor:
    """Tokens drawn position by position (..., L) -> sequences: zeros from the first 0 on."""
    return torch.where((x == 0).cumsum(-1) == 0, x, 0)
