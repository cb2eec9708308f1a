"""Pooled statistic: what the samples of a set are pooled into between the stages of an encoder, in memory and streamed.

A statistic is called with (h, mask, weight) like a pooler (`gde.nets.poolers`) and returns a tensor, or a tuple of
tensors, whose leading axis is the set. Its `streamed(visit, sizes)` gives the same for sets too large for memory, one
result with b = 1 per set: `visit()` runs over the samples of all sets in pieces (set number, h (1, c, f), weight (1, c)
or None), as often as it is called; sizes are their numbers of samples. Those of attention are in `gde.nets.attention`.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from gde.nets.pool import set_mean

Pooler = Callable[[Tensor, Tensor | None, Tensor | None], Tensor]
Visit = Callable[[], Iterator[tuple[int, Tensor, Tensor | None]]]
HELD = 2**25  # numbers gathered at once by a streamed feature-wise statistic: 128 MB, and a few times that to sort them


class Statistic(Protocol):
    def __call__(self, h: Tensor, mask: Tensor | None = None, weight: Tensor | None = None) -> Any: ...

    def streamed(self, visit: Visit, sizes: Sequence[int]) -> list[Any]: ...


class Mean:
    """The set mean (b, 1, f); streamed in one pass of float64 sums."""

    def __call__(self, h: Tensor, mask: Tensor | None = None, weight: Tensor | None = None) -> Tensor:
        return set_mean(h, mask, weight)

    def streamed(self, visit: Visit, sizes: Sequence[int]) -> list[Tensor]:
        totals: list[Any] = [0.0] * len(sizes)
        counts: list[Any] = [0] * len(sizes)
        for s, h, weight in visit():
            weighted = h if weight is None else h * weight[..., None].to(h.dtype)
            totals[s] = totals[s] + weighted.sum(1, keepdim=True, dtype=torch.float64)
            counts[s] = counts[s] + (h.shape[1] if weight is None else weight.sum(dtype=torch.float64))
        return [(total / n).float() for total, n in zip(totals, counts, strict=True)]


class FeatureWise:
    """A pooler (b, 1, f) that treats every feature by itself.

    Streamed, a pass gathers all samples of as many features as HELD allows (one at least), the next pass the next ones.
    """

    def __init__(self, pooler: Pooler):
        self.pooler = pooler

    def __call__(self, h: Tensor, mask: Tensor | None = None, weight: Tensor | None = None) -> Tensor:
        return self.pooler(h, mask, weight)

    def streamed(self, visit: Visit, sizes: Sequence[int]) -> list[Tensor]:
        at_once, start, width = max(1, HELD // sum(sizes)), 0, 1
        blocks: list[list[Tensor]] = [[] for _ in sizes]
        while start < width:
            held = Gathered(sizes)
            for s, h, weight in visit():
                held.add(s, h[..., start : start + at_once], weight)
                width = h.shape[-1]
            for block, (h, weight) in zip(blocks, held.sets(), strict=True):
                block.append(self.pooler(h, None, weight))
            start += at_once
        return [torch.cat(block, -1) for block in blocks]


class Gathered:
    """Streamed sets, put together piece by piece."""

    def __init__(self, sizes: Sequence[int]):
        self.sizes, self.filled = sizes, [0] * len(sizes)
        self.held: list[Any] = [None] * len(sizes)
        self.weights: list[Any] = [None] * len(sizes)

    def add(self, s: int, h: Tensor, weight: Tensor | None = None) -> None:
        """Append samples h (1, c, f) to set s, with their weights (1, c) where the set has some."""
        start, stop = self.filled[s], self.filled[s] + h.shape[1]
        if self.held[s] is None:
            self.held[s] = h.new_empty(1, self.sizes[s], h.shape[2])
            self.weights[s] = None if weight is None else weight.new_empty(1, self.sizes[s])
        self.held[s][:, start:stop] = h
        if weight is not None:
            self.weights[s][:, start:stop] = weight
        self.filled[s] = stop

    def sets(self) -> list[tuple[Tensor, Tensor | None]]:
        """The sets (1, n, f) and their weights (1, n) or None. Raises ValueError when a set is not complete."""
        if self.filled != list(self.sizes):
            raise ValueError(f"streamed sets: found {self.filled} samples, expected {list(self.sizes)}")
        return list(zip(self.held, self.weights, strict=True))
