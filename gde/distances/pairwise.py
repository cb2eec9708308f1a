"""Mean of a function of the squared distance over all pairs of samples, in memory-sized pieces."""

from collections.abc import Callable

import torch
from torch import Tensor

from gde.distances.checks import PIECE, pieces, shape_error


def centred(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Both sets moved by their common mean: distances by matrix product lose digits far from the origin."""
    with torch.no_grad():
        centre = (x.mean(1, keepdim=True) + y.mean(1, keepdim=True)) / 2
    return x - centre, y - centre


def pair_mean(
    x: Tensor, y: Tensor, wx: Tensor | None, wy: Tensor | None, function: Callable[[Tensor], Tensor]
) -> Tensor:
    """Sum over i, j of wx_i wy_j function(|x_i - y_j|^2), one value per pair of sets.

    x : (b, n, d), y : (b, m, d); wx : (b, n), wy : (b, m) with sums 1, None = uniform.  returns (b,).
    When x is y the distance of a sample to itself is exactly 0, so a caller can take the diagonal off again.
    `function` gets (b', r, m) squared distances of b' sets, below 0 by rounding for near-equal samples; a per-set
    parameter must be applied to x and y before.
    """
    n, m = x.shape[1], y.shape[1]
    rows = max(1, min(n, PIECE // m))
    x2, y2 = x.square().sum(-1), y.square().sum(-1)
    wx = x.new_full((1, 1), 1 / n).expand(len(x), n) if wx is None else wx.to(x.dtype)
    results = []
    for sets in pieces(len(x), rows * m):
        total = 0.0
        for start in range(0, n, rows):
            part = slice(start, start + rows)
            d2 = (
                torch.baddbmm(y2[sets, None, :], x[sets, part], y[sets].mT, alpha=-2) + x2[sets, part, None]
            )  # (b', r, m)
            if x is y:
                d2.diagonal(offset=start, dim1=1, dim2=2).zero_()
            value = function(d2)
            per_row = value.mean(-1) if wy is None else (value @ wy[sets, :, None].to(x.dtype)).squeeze(-1)
            total = total + (per_row * wx[sets, part]).sum(-1)
        results.append(total)
    return torch.cat(results)


def self_weight(where: str, x: Tensor, w: Tensor | None) -> Tensor:
    """Share of the pairs of x (b, n, d) that are a sample with itself: sum of squared weights (b,), 1 / n when uniform.

    ValueError when a set has one sample only (with weights: checked on CPU), as nothing else remains then.
    """
    own = x.new_full((len(x),), 1 / x.shape[1], dtype=torch.float64) if w is None else w.square().sum(-1)
    if x.shape[1] == 1 or (own.device.type == "cpu" and bool((own > 1 - 1e-12).any())):
        found = f"a set of one sample in {tuple(x.shape)}"
        raise shape_error(where, found, "at least two samples per set without the V-statistic", "use the biased form")
    return own.to(x.dtype)
