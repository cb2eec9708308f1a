"""Totals: the sums of rows, and how far they differ: what tells counts from values whose totals were made equal."""

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp


def row_totals(x: Any, of: Callable[[np.ndarray], np.ndarray] | None = None) -> np.ndarray:
    """Sum of each row (n,) in float64 of x (n, d), CSR or dense; of : a function of the values, 0 at 0."""
    if of is None:
        return np.asarray(x.sum(1, dtype=np.float64)).ravel()
    if not sp.issparse(x):
        return of(np.asarray(x, dtype=np.float64)).sum(1)
    x = x.tocsr()
    row = np.repeat(np.arange(x.shape[0]), np.diff(x.indptr))
    return np.bincount(row, weights=of(x.data.astype(np.float64)), minlength=x.shape[0])


def spread(totals: np.ndarray) -> float:
    """How many times the 95th percentile of the totals above 0 is the 5th; 1 where there are none."""
    totals = totals[totals > 0]
    if len(totals) == 0:
        return 1.0
    low, high = np.quantile(totals, [0.05, 0.95])
    return float(high / low)
