"""Feature-wise poolers: one number per feature of a set, blind to order and to proportional duplication of samples.

All take h (b, n, f), mask (b, n) bool (True = real), weight (b, n) >= 0, and return (b, 1, f), in float32 or wider;
NaN for a set that has no real sample of positive weight. Weights are multiplicities whose scale is free. What stands
behind the mask, even NaN, reaches neither value nor gradient. Raises ValueError for an impossible parameter. Sum,
maximum and top-k are missing on purpose: duplicates change them, or single samples rule them.
"""

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from gde.nets.pool import select, set_mean

TIE = 1e-6  # weights of two halves that differ by less are equal: far above the rounding of float32 weights
SD_OF_MAD = 1.4826  # standard deviation of a normal distribution whose median absolute deviation is 1
SCALE_FLOOR = 1e-3  # of Huber's scale; makes the location of equal samples, or of one, finite and smooth


def median(h: Tensor, mask: Tensor | None = None, weight: Tensor | None = None) -> Tensor:
    """Weighted median; where the two halves weigh the same, the mean of the two middle values."""
    values, upto = _ordered(h, mask, weight)
    total = upto[..., -1:]
    tie = 0.0 if weight is None else TIE * total  # counts are exact in float64
    below = (upto[..., 1:] < total / 2 - tie).sum(-1, keepdim=True)
    beyond = (upto[..., 1:] <= total / 2 + tie).sum(-1, keepdim=True)
    middle = torch.cat([below, beyond], -1).clamp(max=h.shape[1] - 1).expand(*values.shape[:2], 2)
    pooled = values.gather(-1, middle).mean(-1, keepdim=True)
    return torch.where(total > 0, pooled, math.nan).mT


def trimmed_mean(h: Tensor, mask: Tensor | None = None, weight: Tensor | None = None, *, trim: float = 0.1) -> Tensor:
    """Mean of what is left when the share `trim` of the weight is cut off at each end.

    Samples on the border count by the part of them that is left: so duplicates change nothing, and one sample is its
    own trimmed mean. trim : in [0, 0.5).
    """
    if not 0 <= trim < 0.5:
        raise ValueError(f"trimmed_mean: found trim = {trim}, expected a share in [0, 0.5); at 0.5 use the median")
    values, upto = _ordered(h, mask, weight)
    total = upto[..., -1:]
    left = torch.minimum(torch.maximum(upto, trim * total), (1 - trim) * total).diff(dim=-1)
    return (values * (left / ((1 - 2 * trim) * total)).to(values.dtype)).sum(-1, keepdim=True).mT


def huber(
    h: Tensor, mask: Tensor | None = None, weight: Tensor | None = None, *, delta: float = 1.345, steps: int = 5
) -> Tensor:
    """Huber's M-estimate of location: `steps` of iteratively re-weighted least squares from the median, then Newton's.

    Samples farther than `delta` robust standard deviations (1.4826 MAD) count by their sign only. delta = 1.345 has
    95 % efficiency at the normal distribution (Huber 1964). The gradient is that of the solution (implicit function
    theorem): it goes through the last step alone, at a fifth of the time and memory of going through all of them.
    """
    if not (delta >= 0.7 and math.isfinite(delta)):
        raise ValueError(f"huber: found delta = {delta}, expected 0.7 or more; below it use the median")
    centre = median(h, mask, weight)
    h, w = select(h.to(centre.dtype), mask, weight)
    distance = (h - centre).abs()
    bound = delta * (SD_OF_MAD * median(distance, mask, weight) + SCALE_FLOOR)
    with torch.no_grad():
        location = centre
        for _ in range(steps):
            pull = w / (distance / bound).clamp(min=1.0)
            location = (pull * h).sum(1, keepdim=True) / pull.sum(1, keepdim=True)
            distance = (h - location).abs()
        inside = (w * (distance <= bound)).sum(1, keepdim=True)  # never 0 while the bound is at least one MAD
    residual = torch.minimum(torch.maximum(h - location, -bound), bound)
    return location + (w * residual).sum(1, keepdim=True) / inside


def softmax_mean(
    h: Tensor, mask: Tensor | None = None, weight: Tensor | None = None, *, temperature: float = 1.0
) -> Tensor:
    """Mean with weights softmax(h / temperature) over samples, each feature by itself."""
    if not (temperature > 0 and math.isfinite(temperature)):
        raise ValueError(f"softmax_mean: found temperature = {temperature}, expected a positive number; 1 is usual")
    h, w = select(_wide(h), mask, weight)
    return ((h / temperature + w.log()).softmax(1) * h).sum(1, keepdim=True)


def logsumexp_mean(
    h: Tensor, mask: Tensor | None = None, weight: Tensor | None = None, *, sharpness: float = 1.0
) -> Tensor:
    """Normalised log-sum-exp (1 / sharpness) ln mean exp(sharpness h): between mean (0) and maximum (infinity)."""
    if not (sharpness > 0 and math.isfinite(sharpness)):
        raise ValueError(f"logsumexp_mean: found sharpness = {sharpness}, expected a positive number; 1 is usual")
    h, w = select(_wide(h), mask, weight)
    total = w.sum(1, keepdim=True).log()
    return ((sharpness * h + w.log()).logsumexp(1, keepdim=True) - total) / sharpness


POOLERS: dict[str, Callable[..., Tensor]] = {
    "mean": set_mean,
    "median": median,
    "trimmed_mean": trimmed_mean,
    "huber": huber,
    "softmax": softmax_mean,
    "logsumexp": logsumexp_mean,
}
PARAMETERS = {"trimmed_mean": "trim", "huber": "delta", "softmax": "temperature", "logsumexp": "sharpness"}


def pooler(name: str, parameter: float | None = None) -> Callable[..., Tensor]:
    """The pooler of a name; `parameter` is its one number (PARAMETERS), None for the default.

    Raises ValueError for an unknown name, an impossible parameter, and one given to a pooler that has none.
    """
    if name not in POOLERS:
        raise ValueError(f"pool: found {name!r}, expected one of {', '.join(POOLERS)}")
    if parameter is None:
        return POOLERS[name]
    if name not in PARAMETERS:
        raise ValueError(f"pool: found {parameter} for {name!r}, expected no parameter; leave it out")
    chosen = partial(POOLERS[name], **{PARAMETERS[name]: parameter})
    chosen(torch.zeros(1, 1, 1))  # an impossible parameter is refused here, not in the first step
    return chosen


def _wide(h: Tensor) -> Tensor:
    return h.float() if h.dtype in (torch.bfloat16, torch.float16) else h


def _ordered(h: Tensor, mask: Tensor | None, weight: Tensor | None) -> tuple[Tensor, Tensor]:
    """Values in ascending order (b, f, n) and the weight of the first 0, 1, ..., n of them, float64.

    The weights are (b, f, n + 1), or (1, 1, n + 1) when all samples count the same. Samples behind the mask come last,
    as zeros of weight zero.
    """
    b, n, f = h.shape
    if n == 0:
        raise ValueError(f"h: found shape {tuple(h.shape)}, expected (b, n, f) with n >= 1; leave empty sets out")
    columns = _wide(h).mT.contiguous()
    if mask is None and weight is None:
        order = _argsort(columns)
        upto = torch.arange(n + 1, dtype=torch.float64, device=h.device).view(1, 1, -1)
        return columns.gather(-1, order), upto
    if mask is not None:
        columns = torch.where(mask[:, None], columns, torch.inf)
    order = _argsort(columns)
    values, w = select(h, mask, weight)
    values = _wide(values).mT.gather(-1, order)
    w = w.mT.double().expand(b, f, n).gather(-1, order)
    return values, torch.nn.functional.pad(w.cumsum(-1), (1, 0))


@torch.no_grad()
def _argsort(columns: Tensor) -> Tensor:
    """Order of the last axis; on a CPU numpy's is seven times as fast as torch's."""
    if columns.is_cpu and not torch.compiler.is_compiling():
        return torch.from_numpy(columns.detach().numpy().argsort(-1))
    return columns.argsort(-1)
