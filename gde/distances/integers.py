"""2-Wasserstein distance between distributions on the whole numbers, from their distribution functions."""

import torch
from torch import Tensor

from gde.distances.checks import pieces, shape_error


@torch.no_grad()
def integer_w2(first1: Tensor, cdf1: Tensor, first2: Tensor, cdf2: Tensor) -> Tensor:
    """2-Wasserstein distance (the root), pair by pair: the L2 distance of the quantile functions, exact.

    first1, first2 : (p,) whole numbers, where the supports begin. cdf1 : (p, k), cdf2 : (p, m), rising along the rows
    to 1: cdf[i, j] = P(X_i <= first_i + j).  returns (p,) float64, no gradient.
    Raises ValueError for other shapes and for rows that fall or do not end at 1.
    """
    for first, cdf in ((first1, cdf1), (first2, cdf2)):
        if cdf.ndim != 2 or cdf.shape[1] < 1 or first.shape != cdf.shape[:1] or len(cdf) != len(cdf1):
            found = f"first {tuple(first.shape)}, cdf {tuple(cdf.shape)}"
            raise shape_error("integer_w2", found, f"({len(cdf1)},) and ({len(cdf1)}, k)", "pair them one to one")
        if bool((cdf.diff(dim=1) < -1e-12).any()) or bool((cdf[:, -1] - 1).abs().gt(1e-12).any()):
            raise shape_error(
                "integer_w2", "a row that falls or does not end at 1", "distribution functions", "use cumsum of masses"
            )
    out = cdf1.new_zeros(len(cdf1), dtype=torch.float64)
    for part in pieces(len(cdf1), 4 * (cdf1.shape[1] + cdf2.shape[1])):
        levels, order = torch.cat([cdf1[part].double(), cdf2[part].double()], 1).sort(1)  # (p, k + m)
        # Between two neighbouring levels both quantile functions are constant: first + how many levels of its own lie
        # below.
        own = (order < cdf1.shape[1]).long()
        passed = own.cumsum(1) - own
        quantile1 = first1[part, None] + passed
        quantile2 = first2[part, None] + torch.arange(levels.shape[1], device=levels.device) - passed
        width = levels.diff(dim=1, prepend=levels.new_zeros(len(levels), 1)).clamp_min(0)
        out[part] = ((quantile1 - quantile2).double().square() * width).sum(1).sqrt()
    return out
