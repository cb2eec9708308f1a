"""Energy distance between sets of samples."""

import torch
from torch import Tensor

from gde.distances.checks import check_sets, clear_unweighted, set_weights
from gde.distances.pairwise import centred, pair_mean, self_weight

_TINY = torch.finfo(torch.float64).tiny


def _root(d2: Tensor) -> Tensor:
    """Distance from its square; at 0 the gradient is 0 and the value 1e-154."""
    return d2.clamp_min(_TINY).sqrt()


def energy_distance(
    x: Tensor,
    y: Tensor,
    *,
    unbiased: bool = False,
    wx: Tensor | None = None,
    wy: Tensor | None = None,
    mask_x: Tensor | None = None,
    mask_y: Tensor | None = None,
) -> Tensor:
    """Energy distance 2 E|x-y| - E|x-x'| - E|y-y'| (no root), one value per pair of sets.

    x : (b, n, d), y : (b, m, d) float.  wx, mask_x : (b, n), wy, mask_y : (b, m): weights >= 0, True = real sample.
    returns (b,) float64, unit of the samples. Default: V-statistic, >= 0 and 0 for equal sets; unbiased=True leaves
    out the pairs of a sample with itself and needs two samples per set. Differentiable (gradient of |x-y| at 0 is 0).
    For d = 1 it is the square of scipy.stats.energy_distance. Raises ValueError on wrong shapes.
    Szekely and Rizzo 2013.
    """
    check_sets("energy_distance", x, y)
    wx, wy = set_weights("energy_distance", x, wx, mask_x), set_weights("energy_distance", y, wy, mask_y)
    # float64: a distance from a matrix product is off by sqrt(eps) of the scale, too much in float32
    x, y = centred(clear_unweighted(x, wx).double(), clear_unweighted(y, wy).double())
    within_x, within_y = pair_mean(x, x, wx, wx, _root), pair_mean(y, y, wy, wy, _root)
    if unbiased:
        within_x = within_x / (1 - self_weight("energy_distance", x, wx))
        within_y = within_y / (1 - self_weight("energy_distance", y, wy))
    return 2 * pair_mean(x, y, wx, wy, _root) - within_x - within_y
