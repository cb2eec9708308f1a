"""Choosing: some samples of each set, on which a loss that costs much is computed."""

import math

import torch
from torch import Tensor


def choose_samples(
    x: Tensor, mask: Tensor | None, weight: Tensor | None, count: int, keys: Tensor
) -> tuple[Tensor, Tensor | None]:
    """`count` samples of each set x (b, n, ...) and their mask, by random keys (b, n), uniform in [0, 1).

    Without weights each is drawn at most once, and a set with fewer than `count` gives all it has. With weights (b, n)
    they are drawn by them, perhaps several times, and count alike then: the mean of a loss over a few samples that kept
    their weights would lean to the light ones, since sets of these lack the heavy ones to be divided by.
    """
    if weight is None:
        if mask is not None:
            keys = torch.where(mask, keys, math.inf)
        chosen = keys.argsort(1)[:, :count]
        kept = None if mask is None else mask.gather(1, chosen)
    else:
        share = (weight if mask is None else weight * mask).double().cumsum(1)
        chosen = torch.searchsorted(share, keys[:, :count].double() * share[:, -1:], right=True)
        chosen = chosen.clamp(max=x.shape[1] - 1)
        kept = None if mask is None else torch.arange(count, device=x.device) < mask.sum(1, keepdim=True)
    return x[torch.arange(len(x), device=x.device)[:, None], chosen], kept
