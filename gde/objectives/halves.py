"""A set cut in two: what is encoded, and what is to be predicted from the embedding."""

import torch
from torch import Tensor

from gde.sets.random import ShardRandom

Half = tuple[Tensor, Tensor, Tensor | None]


def halves(
    x: Tensor, mask: Tensor | None, weight: Tensor | None, rng: ShardRandom, *, context: int
) -> tuple[Half, Half]:
    """Two disjoint parts of each set, as samples (b, m, d), mask (b, m) bool and weight (b, m) or None.

    The first has the even samples, of them at random between `context` and all (uniform in the logarithm, so that
    small sets are seen as often as large ones); the second has the odd samples. Samples of a set are in random
    order, real ones first. A set with one real sample has it in both.
    x : (b, n, d) with n >= 2 context; ValueError otherwise.
    """
    b, n = x.shape[:2]
    if n < 2 * context:
        raise ValueError(
            f"objective.context: found {context} with sets of {n} samples, expected at most half of them; lower it or "
            "raise training.set_size"
        )
    mask = torch.ones(b, n, dtype=torch.bool, device=x.device) if mask is None else mask
    sides = [(x[:, i::2], mask[:, i::2], None if weight is None else weight[:, i::2]) for i in (0, 1)]
    (first, real, w), other = sides
    count = real.sum(1, keepdim=True).clamp_min(1)  # (b, 1)
    least = count.clamp_max(context)
    size = (least * (count / least) ** rng.rand(b, 1)).round()
    shown = real & (torch.arange(real.shape[1], device=x.device) < size)
    alone = ~other[1].any(1)  # no second sample
    y, there, v = other
    m = y.shape[1]
    y = torch.where(alone.reshape(-1, *[1] * (y.ndim - 1)), first[:, :m], y)
    there = torch.where(alone[:, None], real[:, :m], there)
    v = None if v is None else torch.where(alone[:, None], w[:, :m], v)
    return (first, shown, w), (y, there, v)
