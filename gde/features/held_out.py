"""Components that hold: how many principal components of training rows have their variance in other rows, too.

Reconstruction alone does not tell: every further axis lowers the error of any rows. What tells is the variance along an
axis in rows that it was not fitted on: of an axis that follows noise it is that of any direction, many times less than
in the rows that it was fitted on where these are few.
"""

from typing import Any

import numpy as np
import scipy.sparse as sp

from gde.features.moments import Gram

MOST = 50
SHARE = 0.5  # of its variance in one half of the rows that an axis has in the other, at least
FEWEST = 2  # a picture's


def second_half(x: Any) -> np.ndarray:
    """Whether each row (n,) of x (n, d), CSR or dense, is of the second half of all rows: told from its own numbers, so
    that neither the order of the rows nor their chunks matter, and equal rows stay together."""
    if sp.issparse(x):
        x = x.tocsr()
        row = np.repeat(np.arange(x.shape[0]), np.diff(x.indptr))
        squares = np.bincount(row, weights=x.data.astype(np.float64) ** 2, minlength=x.shape[0])
    else:
        y = np.asarray(x, dtype=np.float64)
        squares = np.einsum("ij,ij->i", y, y)
    bits = squares.astype(np.float32).view(np.uint32)  # in float32: sparse and dense sums differ in their last bits
    return (bits * np.uint32(0x9E3779B1)) >> np.uint32(31) == 1  # Fibonacci hashing (Knuth, TAOCP 3, 6.4)


def components_that_hold(fitted: Gram, other: Gram, most: int = MOST) -> int:
    """Number of leading components of `fitted` that have at least SHARE of their variance in `other`: up to the first
    that does not, and to `most`; at least FEWEST, as far as there are so many."""
    d = len(fitted.mean)
    k = min(most, d, fitted.n - 1)
    if k < 1 or other.n < 2:
        return min(FEWEST, d)
    own = Gram(d)
    own += fitted
    axes, variance = own.components(k)
    upper = np.triu(other.m2)
    projected = axes @ upper
    held = 2 * np.einsum("ij,ij->i", projected, axes) - axes**2 @ np.diag(upper)
    lost = np.flatnonzero(held / (other.n - 1) < SHARE * variance)
    return max(int(lost[0]) if len(lost) else k, min(FEWEST, d))
