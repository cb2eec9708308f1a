"""Scores of effects: how well predicted shifts agree with true ones: one number per perturbation."""

import numpy as np

SMALL = 1e-12


def pearson2(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Squared correlation over genes (n,) of shifts (n, genes), as published; 0 where one side does not vary."""
    return np.square(correlation(predicted, truth))


def correlation(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Pearson correlation over genes (n,); 0 where one side does not vary."""
    a, b = (s - s.mean(1, keepdims=True) for s in (predicted, truth))
    size = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.divide((a * b).sum(1), size, out=np.zeros(len(a)), where=size > SMALL)


def r2(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """1 - squared error / variance over genes (n,): 1 is perfect, 0 as good as the right mean, no bound below."""
    total = np.square(truth - truth.mean(1, keepdims=True)).sum(1)
    return 1 - np.square(predicted - truth).sum(1) / np.maximum(total, SMALL)


def mse(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Mean squared error over genes (n,)."""
    return np.square(predicted - truth).mean(1)


def recall(predicted: np.ndarray, truth: np.ndarray, sd: np.ndarray, top: int) -> np.ndarray:
    """Share (n,) of the `top` genes that shift most, in sd (genes,) of controls, found among as many predicted ones.

    A prediction without any shift chooses at random, and finds top / genes of them.
    """
    genes = truth.shape[1]
    top = min(top, genes)
    sides = []
    for shift in (truth, predicted):
        best = np.argpartition(-np.abs(shift / sd), top - 1, axis=1)[:, :top]
        chosen = np.zeros(shift.shape, dtype=bool)
        np.put_along_axis(chosen, best, True, axis=1)
        sides.append(chosen)
    found = (sides[0] & sides[1]).sum(1) / top
    return np.where(np.abs(predicted).max(1) > SMALL, found, top / genes)


def discrimination(predicted: np.ndarray, truth: np.ndarray, context: np.ndarray) -> np.ndarray:
    """1 - normalised rank (n,) of a perturbation's own true shift among those of its context, by correlation with the
    predicted one: 1 = nearest, 0 = farthest, chance 1/2. NaN for one that is alone in its context."""
    out = np.full(len(predicted), np.nan)
    for name in np.unique(context.astype(str)):
        own = np.flatnonzero(context.astype(str) == name)
        if len(own) < 2:
            continue
        a, b = (s[own] - s[own].mean(1, keepdims=True) for s in (predicted, truth))
        a, b = (s / np.maximum(np.linalg.norm(s, axis=1, keepdims=True), SMALL) for s in (a, b))
        alike = a @ b.T
        right = np.diag(alike)[:, None]
        better = (alike > right + SMALL).sum(1)
        tied = (np.abs(alike - right) <= SMALL).sum(1) - 1
        out[own] = 1 - (better + tied / 2) / (len(own) - 1)
    return out


def slope(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Least squares of all true shifts on all predicted ones, through 0: 1 is calibrated, less than 1 is overstated."""
    return float((predicted * truth).sum() / max(np.square(predicted).sum(), SMALL))


def reliability(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Squared correlation (n,) of a shift with its noise-free self, from the shifts of two halves of the cells.

    Spearman & Brown: 2 r / (1 + r), r the correlation of the halves; 0 where it is negative.
    """
    r = correlation(first, second).clip(min=0)
    return 2 * r / (1 + r)
