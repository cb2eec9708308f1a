"""Pooling over the samples of a set, with masks and weights."""

import torch
from torch import Tensor


def set_mean(h: Tensor, mask: Tensor | None = None, weight: Tensor | None = None) -> Tensor:
    """Mean over samples, weighted and masked.

    h : (b, n, f); mask : (b, n) bool, True = real; weight : (b, n) >= 0.   returns (b, 1, f).
    A masked sample is left out by selection, not by multiplication, so that not even an infinity behind the
    mask reaches the result. Raises ValueError when a set has no real sample with positive weight.
    """
    if mask is None and weight is None:
        return h.mean(1, keepdim=True)
    w = torch.ones(h.shape[:2], dtype=h.dtype, device=h.device) if weight is None else weight.to(h.dtype)
    if mask is not None:
        w = torch.where(mask, w, 0.0)
        h = torch.where(mask[..., None], h, 0.0)
    total = w.sum(1)[:, None, None]  # (b, 1, 1)
    return (h * w[..., None]).sum(1, keepdim=True) / total


def sample_mean(per_sample: Tensor, mask: Tensor | None = None, weight: Tensor | None = None) -> Tensor:
    """Scalar mean of a per-sample loss over the real samples of all sets.

    per_sample : (b, n).  Weights are normalised inside each set, so a set counts by its number of real samples.
    """
    if mask is None and weight is None:
        return per_sample.mean()
    mask = torch.ones_like(per_sample, dtype=torch.bool) if mask is None else mask
    w = mask.to(per_sample.dtype)
    if weight is not None:
        w = torch.where(mask, weight.to(per_sample.dtype), 0.0)
        w = w / w.sum(1, keepdim=True) * mask.sum(1, keepdim=True)
    return (torch.where(mask, per_sample, 0.0) * w).sum() / w.sum()
