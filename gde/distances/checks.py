"""Checks: what every distance needs: shape checks, weights from masks, a root with a finite gradient, memory-sized
pieces."""

from collections.abc import Iterator

import torch
from torch import Tensor

PIECE = 2**24  # numbers in one temporary of a chunked computation: 128 MB in float64


def shape_error(where: str, found: str, expected: str, remedy: str) -> ValueError:
    """The message of gde.errors.bad as a plain ValueError (distances import nothing of gde but themselves)."""
    return ValueError(f"{where}: found {found}, expected {expected}; {remedy}")


def check_sets(where: str, x: Tensor, y: Tensor) -> None:
    """Raise ValueError unless x is (b, n, d), y is (b, m, d), both floating point, with n, m, d >= 1."""
    shapes = f"x {tuple(x.shape)}, y {tuple(y.shape)}"
    if x.ndim != 3 or y.ndim != 3:
        raise shape_error(where, shapes, "x (b, n, d) and y (b, m, d)", "add the batch axis with x[None]")
    if x.shape[0] != y.shape[0] or x.shape[2] != y.shape[2]:
        raise shape_error(where, shapes, "the same b and d in x (b, n, d) and y (b, m, d)", "pair the sets one to one")
    if 0 in x.shape[1:] or 0 in y.shape[1:]:
        raise shape_error(where, shapes, "at least one sample and one feature", "drop the empty sets")
    if not x.is_floating_point() or not y.is_floating_point():
        raise shape_error(where, f"dtypes {x.dtype}, {y.dtype}", "floating point", "convert with .float()")


def set_weights(where: str, points: Tensor, weight: Tensor | None, mask: Tensor | None) -> Tensor | None:
    """Normalised weights of the samples of a set.

    points : (b, n, d).  weight : (b, n) >= 0 or None.  mask : (b, n) bool, True = real, or None.
    returns (b, n) float64 with row sums 1, or None (uniform) when both are None.
    Raises ValueError on wrong shapes and, on CPU, on negative or non-finite weights and sets without weight (on an
    accelerator that check would stall the queue: such a set gives NaN there).
    """
    if weight is None and mask is None:
        return None
    for name, t in (("weight", weight), ("mask", mask)):
        if t is not None and t.shape != points.shape[:2]:
            found = f"{name} {tuple(t.shape)} for samples {tuple(points.shape)}"
            raise shape_error(where, found, f"{name} {tuple(points.shape[:2])}", "give one value per sample")
    w = torch.ones(points.shape[:2], dtype=torch.float64, device=points.device) if weight is None else weight.double()
    if mask is not None:
        w = w.masked_fill(~mask.bool(), 0.0)
    total = w.sum(-1, keepdim=True)
    if w.device.type == "cpu" and not bool(((w >= 0).all(-1) & (total[:, 0] > 0) & total[:, 0].isfinite()).all()):
        bad_set = int((~((w >= 0).all(-1) & (total[:, 0] > 0) & total[:, 0].isfinite())).nonzero()[0])
        found = f"set {bad_set} with total weight {float(total[bad_set]):g}, smallest {float(w[bad_set].min()):g}"
        raise shape_error(where, found, "finite weights >= 0 with a positive sum", "drop the sets without samples")
    return w / total


def clear_unweighted(points: Tensor, w: Tensor | None) -> Tensor:
    """Samples of weight zero set to 0, so that padding (NaN included) reaches neither value nor gradient."""
    return points if w is None else points.masked_fill((w == 0)[..., None], 0.0)


def safe_sqrt(x: Tensor) -> Tensor:
    """Square root of max(x, 0) whose gradient at 0 is 0 (a subgradient of the distance) instead of infinite."""
    positive = x > 0
    return torch.where(positive, torch.where(positive, x, 1.0).sqrt(), 0.0)


def pieces(n: int, size: int) -> Iterator[slice]:
    """Slices that cut n items into parts holding at most PIECE numbers when one item holds `size`."""
    step = max(1, PIECE // max(1, size))
    for start in range(0, n, step):
        yield slice(start, min(n, start + step))
