"""Two principal components, for pictures only."""

import numpy as np


def two_components(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean (d,), directions (d, 2) and shares of variance (2,) of x (n, d); signs fixed, zeros where d or rank is 1."""
    mean = x.mean(0)
    _, s, vt = np.linalg.svd(x - mean, full_matrices=False)
    directions = np.zeros((x.shape[1], 2))
    share = np.zeros(2)
    k = min(2, len(s))
    top = vt[:k] * np.sign(vt[np.arange(k), np.abs(vt[:k]).argmax(1)])[:, None]
    directions[:, :k] = top.T
    total = float((s**2).sum())
    share[:k] = s[:k] ** 2 / total if total > 0 else 0.0
    return mean, directions, share
