"""Attention of samples over their set, without positions: full, or through induced points (Lee et al. 2019).

Each class is a statistic (`gde.nets.statistic`) of the set and, with `attend`, what a sample makes of that statistic.
Weights enter as log-weights of the keys, so duplicates and weights are the same; the mask as weight zero.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from gde.nets.mlp import mlp
from gde.nets.statistic import Gathered, Visit


class Keys(NamedTuple):
    """What a set shows to those who attend to it."""

    key_value: Tensor  # (b, n, 2 f)
    log_weight: Tensor | None  # (b, n), -inf behind the mask; None when all samples count the same


class SetAttention(nn.Module):
    """Multi-head attention of every sample over all samples of its set, after layer norm; no output projection.

    Statistic: keys and values of all samples. Streamed, it holds those of the whole sets, 2 `hidden` numbers a sample,
    and the time grows with the square of the size: `InducedAttention` is for such sets.
    """

    def __init__(self, hidden: int, heads: int):
        super().__init__()
        check_heads(hidden, heads)
        self.heads = heads
        self.norm = nn.LayerNorm(hidden)
        self.query = nn.Linear(hidden, hidden)
        # without bias: on the keys it would change nothing, on the values what follows adds one
        self.key_value = nn.Linear(hidden, 2 * hidden, bias=False)

    def forward(self, h: Tensor, mask: Tensor | None = None, weight: Tensor | None = None) -> Keys:
        """h : (b, n, hidden)."""
        return Keys(self.key_value(self.norm(h)), log_weights(mask, weight))

    def streamed(self, visit: Visit, sizes: Sequence[int]) -> list[Keys]:
        held = Gathered(sizes)
        for s, h, weight in visit():
            held.add(s, self(h).key_value, weight)
        return [Keys(key_value, log_weights(None, weight)) for key_value, weight in held.sets()]

    def attend(self, h: Tensor, keys: Keys) -> Tensor:
        """Weighted mean of the values for each sample and head; h (b, n, hidden) -> (b, n, hidden)."""
        return attention(self.query(self.norm(h)), keys, self.heads)


class InducedAttention(nn.Module):
    """Attention through `points` learned vectors: they attend to the samples, the samples to them.

    Time and memory grow with n, not n². Statistic: the weighted mean of values that each point and head gathers,
    (b, points, hidden); streamed in one pass with a running log-sum-exp (Milakov & Gimelshein 2018).
    """

    def __init__(self, hidden: int, heads: int, points: int):
        super().__init__()
        self.heads = heads
        self.points = nn.Parameter(torch.randn(points, hidden))
        self.query = nn.Linear(hidden, hidden)
        self.norm = nn.LayerNorm(hidden)
        self.key_value = nn.Linear(hidden, 2 * hidden, bias=False)
        self.mix = nn.Linear(hidden, hidden)
        self.features = nn.Sequential(nn.LayerNorm(hidden), *mlp([hidden, hidden, hidden]))
        self.samples = SetAttention(hidden, heads)

    def forward(self, h: Tensor, mask: Tensor | None = None, weight: Tensor | None = None) -> Tensor:
        """h : (b, n, hidden).   returns (b, points, hidden)."""
        query = self.query(self.points).expand(len(h), -1, -1)
        return attention(query, Keys(self.key_value(self.norm(h)), log_weights(mask, weight)), self.heads)

    def streamed(self, visit: Visit, sizes: Sequence[int]) -> list[Tensor]:
        query = split_heads(self.query(self.points)[None], self.heads)  # (1, heads, points, e)
        highest = [torch.full_like(query[..., :1], -torch.inf) for _ in sizes]
        total = [torch.zeros_like(query[..., :1], dtype=torch.float64) for _ in sizes]
        gathered = [torch.zeros_like(query, dtype=torch.float64) for _ in sizes]
        for s, h, weight in visit():
            key, value = (split_heads(t, self.heads) for t in self.key_value(self.norm(h)).chunk(2, -1))
            score = query @ key.mT / math.sqrt(query.shape[-1])  # (1, heads, points, c)
            new = torch.maximum(highest[s], score.amax(-1, keepdim=True))
            share, faded = (score - new).exp(), (highest[s] - new).double().exp()
            if weight is not None:
                share = share * weight[:, None, None].to(share.dtype)
            total[s] = total[s] * faded + share.sum(-1, keepdim=True, dtype=torch.float64)
            gathered[s] = gathered[s] * faded + (share @ value).double()
            highest[s] = new
        return [join_heads((g / t).float()) for g, t in zip(gathered, total, strict=True)]

    def attend(self, h: Tensor, gathered: Tensor) -> Tensor:
        """h (b, n, hidden), gathered (b, points, hidden) -> (b, n, hidden)."""
        points = self.points + self.mix(gathered)
        return self.samples.attend(h, self.samples(points + self.features(points)))


def set_attention(hidden: int, heads: int, induced: int) -> SetAttention | InducedAttention:
    """Attention through `induced` points, full attention when that is 0.

    Raises ValueError for a negative number of points and a width that the heads cannot share evenly.
    """
    if induced < 0:
        raise ValueError(f"induced: found {induced}, expected 0 (full attention) or a number of points")
    return InducedAttention(hidden, heads, induced) if induced else SetAttention(hidden, heads)


def check_heads(hidden: int, heads: int) -> None:
    if heads < 1 or hidden % heads:
        raise ValueError(f"heads: found {heads}, expected a divisor of hidden = {hidden}")


def log_weights(mask: Tensor | None, weight: Tensor | None) -> Tensor | None:
    """log weight (b, n) up to a constant of each set, -inf behind the mask; None without both."""
    if weight is None:
        return None if mask is None else torch.zeros(mask.shape, device=mask.device).masked_fill(~mask, -torch.inf)
    weight = weight.float() if mask is None else torch.where(mask, weight.float(), 0.0)
    return (weight / weight.amax(1, keepdim=True)).log()  # at most 0: bfloat16 then rounds the large weights least


def attention(query: Tensor, keys: Keys, heads: int) -> Tensor:
    """Scaled dot-product attention in `heads` parts of the features; query (b, m, f), keys (b, n, 2 f) -> (b, m, f)."""
    key, value = keys.key_value.chunk(2, -1)
    bias = None
    if keys.log_weight is not None:
        bias = keys.log_weight[:, None, None].to(query.dtype).expand(-1, heads, query.shape[1], -1)
    return join_heads(
        scaled_dot_product_attention(*(split_heads(t, heads) for t in (query, key, value)), attn_mask=bias)
    )


def split_heads(h: Tensor, heads: int) -> Tensor:
    """(b, n, f) -> (b, heads, n, f / heads)."""
    return h.unflatten(-1, (heads, -1)).transpose(1, 2)


def join_heads(h: Tensor) -> Tensor:
    """(b, heads, n, e) -> (b, n, heads e)."""
    return h.transpose(1, 2).flatten(2)
