"""Maximum mean discrepancy with a Gaussian kernel."""

import torch
from torch import Tensor

from gde.distances.checks import check_sets, clear_unweighted, set_weights, shape_error
from gde.distances.kernel import kernel_mean
from gde.distances.pairwise import centred, self_weight


@torch.no_grad()
def median_bandwidth(
    x: Tensor,
    y: Tensor | None = None,
    *,
    mask_x: Tensor | None = None,
    mask_y: Tensor | None = None,
    samples: int = 256,
) -> Tensor:
    """Median distance between the pooled samples of each pair of sets: the usual kernel bandwidth.

    x : (b, n, d), y : (b, m, d), or None: those of x alone; masks (b, n), (b, m), True = real.
    returns (b,), unit of the samples, no gradient.
    Above `samples` pooled samples, so many evenly spaced ones are used (the same every time; 256 have 32,640
    distances). A median of 0 (mostly equal samples) is replaced by the mean distance, and that by 1 when all samples
    are equal. Gretton et al. 2012.
    """
    check_sets("median_bandwidth", x, x if y is None else y)
    sides = ((x, mask_x),) if y is None else ((x, mask_x), (y, mask_y))
    masks = [x.new_ones(z.shape[:2], dtype=torch.bool) if mask is None else mask.bool() for z, mask in sides]
    real = torch.cat(masks, 1)  # (b, n + m)
    pooled = torch.cat([side for side, _ in sides], 1)
    count = real.sum(1, keepdim=True)
    first_real = (
        real.logical_not().to(torch.uint8).sort(dim=1, stable=True).indices
    )  # positions of real samples, then padding
    s = min(samples, pooled.shape[1])
    position = torch.arange(s, device=x.device).expand(len(x), s)
    spaced = torch.where(count > s, position * count // s, position)  # (b, s)
    index = first_real.gather(1, spaced.clamp_max(pooled.shape[1] - 1))
    chosen = pooled.gather(1, index[..., None].expand(-1, -1, pooled.shape[-1]))
    i, j = torch.triu_indices(s, s, 1, device=x.device)
    distance = torch.cdist(chosen, chosen, compute_mode="donot_use_mm_for_euclid_dist")[:, i, j]  # (b, s (s - 1) / 2)
    padded = (spaced >= count)[:, j]  # j > i, so a padded i has a padded j
    distance = distance.masked_fill(padded, torch.nan)
    if distance.shape[1] == 0:
        return x.new_ones(len(x))
    median = distance.nanmedian(1).values
    mean = distance.nanmean(1)
    return torch.where(median > 0, median, torch.where(mean > 0, mean, 1.0))


def mmd(
    x: Tensor,
    y: Tensor,
    bandwidth: Tensor | float | None = None,
    *,
    biased: bool = False,
    wx: Tensor | None = None,
    wy: Tensor | None = None,
    mask_x: Tensor | None = None,
    mask_y: Tensor | None = None,
) -> Tensor:
    """Squared maximum mean discrepancy, kernel exp(-|x-y|^2 / (2 h^2)), one value per pair of sets.

    x : (b, n, d), y : (b, m, d) float.  wx, mask_x : (b, n), wy, mask_y : (b, m): weights >= 0, True = real sample.
    bandwidth : h > 0, a number or (b,); None = `median_bandwidth` of the pair. To compare methods, fix h first.
    returns (b,) MMD^2 without unit, in the dtype of x. Default: unbiased U-statistic (expectation 0 for equal
    distributions, so it can be negative; needs two samples per set); biased=True: V-statistic, >= 0.
    Differentiable in x and y (h is a constant). Raises ValueError on wrong shapes or h <= 0. Gretton et al. 2012.
    """
    check_sets("mmd", x, y)
    wx, wy = set_weights("mmd", x, wx, mask_x), set_weights("mmd", y, wy, mask_y)
    x, y = clear_unweighted(x, wx), clear_unweighted(y, wy)
    if bandwidth is None:
        real_x, real_y = (None if w is None else w > 0 for w in (wx, wy))
        bandwidth = median_bandwidth(x, y, mask_x=real_x, mask_y=real_y)
    elif not isinstance(bandwidth, Tensor) and not bandwidth > 0:
        raise shape_error("mmd", f"bandwidth = {bandwidth}", "a positive number", "None takes the median distance")
    bandwidth = torch.as_tensor(bandwidth, dtype=x.dtype, device=x.device).detach()
    if bandwidth.ndim > 1 or (bandwidth.ndim == 1 and len(bandwidth) != len(x)):
        raise shape_error("mmd", f"bandwidth {tuple(bandwidth.shape)}", f"a number or ({len(x)},)", "one per set")
    scale = bandwidth.reshape(-1, 1, 1) * 2**0.5
    x, y = centred(x, y)
    x, y = x / scale, y / scale
    within_x, within_y = kernel_mean(x, x, wx, wx), kernel_mean(y, y, wy, wy)
    if not biased:
        own_x, own_y = self_weight("mmd", x, wx), self_weight("mmd", y, wy)
        within_x, within_y = (within_x - own_x) / (1 - own_x), (within_y - own_y) / (1 - own_y)
    return within_x + within_y - 2 * kernel_mean(x, y, wx, wy)
