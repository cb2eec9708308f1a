"""Directions of one side that predict the other, fitted on training pairs: regularised canonical correlation.

A projection can only lose information, so that an estimate on held-out pairs after it is a lower bound of what both
sides share, found in few dimensions, where nearest neighbours are near.
"""

from dataclasses import dataclass

import numpy as np

from gde.evaluate.shared.regression import folds

PENALTIES = (1e-3, 1e-2, 1e-1, 1.0)
MOST = 3  # dimensions of each side: the estimator is nearly unbiased up to about six together
KEPT = 50  # principal components of each side that directions are made of


@dataclass(frozen=True)
class Components:
    """Principal components of one side: centre (p,), directions (p, r)."""

    centre: np.ndarray
    directions: np.ndarray

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """x (n, p) -> (n, r)."""
        return (np.asarray(x, dtype=float) - self.centre) @ self.directions


def components(x: np.ndarray, r: int) -> Components:
    """The first r principal components of x (n, p), as many as there are where r is more."""
    x = np.asarray(x, dtype=float)
    centre = x.mean(0)
    _, _, vt = np.linalg.svd(x - centre, full_matrices=False)
    return Components(centre, vt[:r].T)


@dataclass(frozen=True)
class Projection:
    """Both sides' directions; the correlations (r,) that they had with each other on inner held-out pairs."""

    x: Components
    y: Components
    correlation: np.ndarray
    penalty: float


def cross_projection(x: np.ndarray, y: np.ndarray, rng: np.random.Generator, *, r: int | None = None) -> Projection:
    """Directions of x (n, p) and y (n, q) with the greatest correlation, n training pairs.

    The penalty, a share of the mean variance, is the one with most information between inner held-out pairs, if they
    were Gaussian. r : dimensions; None = those correlated there by more than three standard errors, 1 to MOST.
    ValueError for fewer than ten pairs.
    """
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    n = len(x)
    if n < 10:
        raise ValueError(f"cross_projection: found {n} pairs, expected ten or more")
    found = {penalty: _held_out(x, y, penalty, np.random.default_rng(rng.integers(2**63))) for penalty in PENALTIES}
    value = {p: -0.5 * np.log2(1 - np.clip(c, 0, 0.9999) ** 2).sum() for p, c in found.items()}
    penalty = max(value, key=value.__getitem__)
    correlation = found[penalty]
    if r is None:
        r = max(1, int(np.cumprod(correlation > 3 / np.sqrt(n)).sum()))
    left, right = _directions(x, y, penalty, r)
    return Projection(left, right, correlation[:r], penalty)


def _held_out(x: np.ndarray, y: np.ndarray, penalty: float, rng: np.random.Generator) -> np.ndarray:
    """Correlation (MOST,) of each pair of directions, mean over inner held-out pairs; 0 where there are fewer."""
    out: list[np.ndarray] = []
    parts = folds(len(x), rng)
    scores: tuple[list, list] = ([], [])
    for test in parts:
        train = np.setdiff1d(np.arange(len(x)), test)
        left, right = _directions(x[train], y[train], penalty, MOST)
        for side, points in zip(scores, (left(x[test]), right(y[test])), strict=True):
            side.append(points)
    for j in range(min(a.shape[1] for a in scores[0])):
        a, b = (np.concatenate([_unit(p[:, j]) for p in side]) for side in scores)
        out.append(float(np.mean(a * b)))
    return np.array(out + [0.0] * (MOST - len(out)))


def _unit(x: np.ndarray) -> np.ndarray:
    sd = x.std()
    return (x - x.mean()) / sd if sd > 0 else np.zeros_like(x)


def _directions(x: np.ndarray, y: np.ndarray, penalty: float, r: int) -> tuple[Components, Components]:
    sides = []
    for side in (x, y):
        pca = components(side, min(KEPT, len(side) - 1))
        scores = pca(side)
        variance = np.square(scores).mean(0)
        whiten = 1 / np.sqrt(variance + penalty * max(variance.mean(), 1e-300))
        sides.append((pca, scores * whiten, whiten))
    (a, u, wu), (b, v, wv) = sides
    left, _, right = np.linalg.svd(u.T @ v / len(x), full_matrices=False)
    return (
        Components(a.centre, a.directions @ (wu[:, None] * left[:, :r])),
        Components(b.centre, b.directions @ (wv[:, None] * right[:r].T)),
    )
