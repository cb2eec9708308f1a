"""Moments: weighted means and variances of features, of each of several units, in one pass."""

import numpy as np


class Moments:
    """Of u units and g features; sums are of what lies beyond the first rows' mean, so large means lose no digits."""

    def __init__(self, units: int, features: int):
        self.shift: np.ndarray | None = None
        self.n, self.weights, self.squares = np.zeros(units), np.zeros(units), np.zeros(units)
        self.sum, self.square = np.zeros((units, features)), np.zeros((units, features))

    def add(self, values: np.ndarray, unit: np.ndarray, weight: np.ndarray | None = None) -> None:
        """Rows (n, g) of units (n,), weight (n,) or None."""
        if self.shift is None:
            self.shift = values.mean(0)
        y, w = values - self.shift, np.ones(len(values)) if weight is None else weight
        for i in np.unique(unit):
            own = unit == i
            self.n[i] += own.sum()
            self.weights[i] += w[own].sum()
            self.squares[i] += np.square(w[own]).sum()
            self.sum[i] += w[own] @ y[own]
            self.square[i] += w[own] @ np.square(y[own])

    def means(self) -> np.ndarray:
        """(u, g)."""
        return self.sum / self.weights[:, None] + self.shift

    def variances(self) -> np.ndarray:
        """(u, g), of single samples, unbiased; NaN of units of one sample."""
        mean = self.sum / self.weights[:, None]
        n = self.effective()[:, None]
        with np.errstate(invalid="ignore", divide="ignore"):
            biased = self.square / self.weights[:, None] - np.square(mean)
            return np.where(n > 1, np.maximum(biased, 0) * n / (n - 1), np.nan)

    def effective(self) -> np.ndarray:
        """Number of equal samples whose mean has the same error (u,): (sum w)² / sum w²."""
        return np.square(self.weights) / self.squares
