"""Correlations that are 0 where one side does not vary: nothing can be read from it."""

import numpy as np


def pearson(x: np.ndarray, y: np.ndarray) -> float:
    """Pearson's r of x and y (n,); 0 also for fewer than two."""
    if len(x) < 2 or x.std() == 0 or y.std() == 0:
        return 0.0
    return float(np.corrcoef(x, y)[0, 1])


def spearman(x: np.ndarray, y: np.ndarray) -> float:
    """Spearman's rank correlation of x and y (n,); 0 also for fewer than three."""
    from scipy.stats import spearmanr

    if len(x) < 3 or len(set(x)) < 2 or len(set(y)) < 2:
        return 0.0
    return float(spearmanr(x, y).statistic)
