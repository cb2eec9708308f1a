"""Linear discriminant analysis that does not depend on the coordinates in which vectors are given."""

from dataclasses import dataclass

import numpy as np

SINGULAR = 1e-5  # singular values below this share of the largest are rounding errors of float32 embeddings
SHRINKAGE = 0.1


@dataclass(frozen=True)
class Discriminant:
    """Scores of classes (c,): (x - centre) @ weight + offset, the greatest is the prediction."""

    classes: np.ndarray
    centre: np.ndarray
    weight: np.ndarray
    offset: np.ndarray

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Predicted classes (m,) of x (m, p)."""
        return self.classes[((np.asarray(x, dtype=float) - self.centre) @ self.weight + self.offset).argmax(1)]


def discriminant(x: np.ndarray, names: np.ndarray, *, rank: int | None = None) -> Discriminant:
    """Linear discriminant analysis of x (n, p) for classes names (n,), every class weighing alike.

    x is whitened by its total covariance T; the covariance W within classes is shrunk to (1 - s) W + s T with
    s = SHRINKAGE. Both move with x under an invertible linear map, and so the predictions are the same for x and x A,
    for a set's mean as for all linear embeddings of it (Friedman 1989 shrinks to the identity, which is not).
    rank : directions that are kept, those of largest variance, all by default; where it bites, predictions are the same
    under rotations only. ValueError for fewer than two classes.
    """
    x = np.asarray(x, dtype=float)
    classes, own = np.unique(names, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(f"discriminant: found {len(classes)} classes, expected two or more")
    share = 1 / np.bincount(own)[own] / len(classes)
    centre = share @ x
    _, s, vt = np.linalg.svd((x - centre) * np.sqrt(share)[:, None], full_matrices=False)
    kept = s > SINGULAR * max(s[0], np.finfo(float).tiny)
    kept[len(s) if rank is None else max(1, rank) :] = False
    white = vt[kept].T / s[kept]  # (p, k): T becomes the identity
    means = np.stack([(x[own == c].mean(0) - centre) @ white for c in range(len(classes))])
    within = np.eye(white.shape[1]) - (1 - SHRINKAGE) * means.T @ means / len(classes)
    weight = np.linalg.solve(within, means.T)  # (k, c)
    return Discriminant(classes, centre, white @ weight, -0.5 * (means * weight.T).sum(1))
