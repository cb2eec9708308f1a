"""Pooling over the samples of a set, with masks and weights."""

import torch
from torch import Tensor


def behind(mask: Tensor, x: Tensor) -> Tensor:
    """x (b, n, ...) with zeros where the mask (b, n) is False; by selection, whatever stands there."""
    return torch.where(mask.reshape(*mask.shape, *[1] * (x.ndim - mask.ndim)), x, x.new_zeros(()))


def set_mean(h: Tensor, mask: Tensor | None = None, weight: Tensor | None = None) -> Tensor:
    """Mean over samples, weighted and masked.

    h : (b, n, f); mask : (b, n) bool, True = real; weight : (b, n) >= 0.   returns (b, 1, f), NaN for a set that has
    no real sample of positive weight.
    """
    if mask is None and weight is None:
        return h.mean(1, keepdim=True)
    h, w = select(h, mask, weight)
    return (h * w).sum(1, keepdim=True) / w.sum(1, keepdim=True)


def set_products(h: Tensor, mask: Tensor | None = None, weight: Tensor | None = None) -> Tensor:
    """Mean of the outer products h h^T over samples, weighted and masked; (b, n, f) -> (b, f, f) float64.

    In float64 because it is singular for few samples: float32 would leave negative eigenvalues of 1e-7 of the largest.
    """
    h, w = select(h.double(), mask, weight)
    return (h * w).mT @ h / w.sum(1, keepdim=True)


def select(h: Tensor, mask: Tensor | None, weight: Tensor | None) -> tuple[Tensor, Tensor]:
    """Samples and weights (b, n, 1) with zeros behind the mask.

    By selection, not by multiplication, so that not even an infinity behind the mask reaches the result.
    """
    w = torch.ones(h.shape[:2], dtype=h.dtype, device=h.device) if weight is None else weight.to(h.dtype)
    if mask is not None:
        w, h = torch.where(mask, w, 0.0), torch.where(mask[..., None], h, 0.0)
    return h, w[..., None]


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
