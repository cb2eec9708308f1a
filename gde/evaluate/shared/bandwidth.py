"""Bandwidth of the kernel of MMD: of the target's own spread, so that every source is judged alike."""

import torch
from torch import Tensor


def median_distance(points: Tensor, at_most: int = 200) -> Tensor:
    """Median distance between the points of each set (b, n, d) -> (b,): the kernel width every source is judged by.

    Where most points are equal (counts), the mean distance instead, and 1 where all are.
    """
    x = points[:, :at_most]
    i, j = torch.triu_indices(x.shape[1], x.shape[1], 1, device=x.device)
    distance = torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist")[:, i, j]  # right far from the origin
    median, mean = distance.median(-1).values, distance.mean(-1)
    return torch.where(median > 0, median, torch.where(mean > 0, mean, 1.0))
