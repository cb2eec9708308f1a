"""Mutual information between paired points by nearest neighbours, with a permutation null and an interval.

The first estimator of Kraskov, Stögbauer & Grassberger (2004) in bits. It is biased low where the information is large
or spread over many dimensions: at most `most(n, k)` can be found, and `recovered` says how much of a known amount is.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist
from scipy.special import digamma

NEIGHBOURS = 3
FEWEST = 12  # pairs below which an estimate says nothing: its standard error is near half a bit
TREE_DIMENSIONS = 10  # of both sides together: beyond, a tree looks at nearly every point
BLOCK = 4_000_000  # distances held at a time
HALVES = 60
NORMAL = 1.959964
JITTER = 1e-10


@dataclass(frozen=True)
class Information:
    """bits : the estimate; pointwise (n,) : what each pair contributes, their mean is `bits`; ci : 95 % interval;
    null (permutations,) : estimates when the pairing is shuffled."""

    bits: float
    pointwise: np.ndarray
    ci: tuple[float, float]
    null: np.ndarray

    @property
    def p_value(self) -> float:
        """Share of shuffled pairings with as much information, the real one among them."""
        return float((1 + (self.null >= self.bits).sum()) / (1 + len(self.null)))


def ksg(x: np.ndarray, y: np.ndarray, k: int = NEIGHBOURS) -> np.ndarray:
    """Pointwise mutual information (n,), bits, of paired points x (n, p), y (n, q); the estimate is its mean.

    Chebyshev distance: psi(k) + psi(n) - psi(n_x) - psi(n_y), where n_x counts the points closer in x than the k-th
    neighbour in (x, y), the point itself included. Equal distances would bias the counts: points are moved by 1e-10 of
    their spread, independently in x and y, so that discrete values and repeated points are allowed.
    ValueError for fewer than k + 2 points or unequal numbers of them.
    """
    x, y = _points(x, 0), _points(y, 1)
    n = len(x)
    if len(y) != n or n < k + 2:
        raise ValueError(f"ksg: found {n} and {len(y)} points, expected as many of both and at least {k + 2}")
    if x.shape[1] + y.shape[1] <= TREE_DIMENSIONS:
        return _by_tree(x, y, k)
    parts = []
    for rows in _blocks(n):
        parts.append(_counts(cdist(x[rows], x, "chebyshev"), cdist(y[rows], y, "chebyshev"), k))
    return _bits(k, *map(np.concatenate, zip(*parts, strict=True)), n)


def most(n: int, k: int = NEIGHBOURS) -> float:
    """What the estimator says of two sides that are functions of each other: none from n pairs is larger, in bits."""
    return float((digamma(n) - digamma(k + 1)) / np.log(2))  # only the k-th neighbour is counted on one of the sides


def estimate(
    x: np.ndarray,
    y: np.ndarray,
    rng: np.random.Generator,
    *,
    k: int = NEIGHBOURS,
    permutations: int = 100,
    halves: int = HALVES,
) -> Information:
    """The estimate with its null and interval, of x (n, p) and y (n, q).

    The null shuffles which y belongs to which x. The interval is normal, its standard error the spread of estimates
    from random halves of the pairs drawn without replacement (delete-half jackknife, Shao & Wu 1989): a bootstrap would
    repeat pairs, and a repeated pair is its own nearest neighbour.
    """
    pointwise = ksg(x, y, k)
    again = _again(_points(x, 0), _points(y, 1), k)
    n, half = len(pointwise), len(pointwise) // 2
    spread = []
    for _ in range(halves if half >= k + 2 else 0):
        some = rng.choice(n, half, replace=False)
        spread.append(again(some, some).mean())
    # estimates from b of n pairs differ among themselves by s² (1/b - 1/n), and by s² / n from the truth
    error = np.std(spread, ddof=1) * np.sqrt(half / (n - half)) if spread else np.nan
    whole = np.arange(n)
    null = np.array([again(whole, rng.permutation(n)).mean() for _ in range(permutations)])
    bits = float(pointwise.mean())
    return Information(bits, pointwise, (bits - NORMAL * error, bits + NORMAL * error), null)


def recovered(bits: float, n: int, dim: int, rng: np.random.Generator, *, k: int = NEIGHBOURS, draws: int = 4) -> float:
    """Share of `bits` that the estimator finds in n pairs of Gaussians that share them evenly over `dim` dimensions.

    Well below 1 means that an estimate of that size, from so many pairs of so many dimensions, is a lower bound only.
    """
    bits = max(bits, 0.1)
    found = [ksg(*gaussian_pairs(n, dim, bits, rng), k).mean() for _ in range(draws)]
    return float(np.mean(found) / bits)


def gaussian_pairs(n: int, dim: int, bits: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """n pairs (n, dim) each of standard normals whose mutual information is `bits`, equal in every dimension."""
    correlation = np.sqrt(1 - 2 ** (-2 * bits / dim))
    x = rng.standard_normal((n, dim))
    return x, correlation * x + np.sqrt(1 - correlation**2) * rng.standard_normal((n, dim))


def _again(x: np.ndarray, y: np.ndarray, k: int) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """(i, j) -> the estimate for the pairs (x[i], y[j]); many dimensions are compared once for all calls."""
    if x.shape[1] + y.shape[1] <= TREE_DIMENSIONS or len(x) ** 2 > 2 * BLOCK:
        return lambda i, j: ksg(x[i], y[j], k)
    dx, dy = (cdist(p, p, "chebyshev") for p in (x, y))
    return lambda i, j: _bits(k, *_counts(dx[np.ix_(i, i)], dy[np.ix_(j, j)], k), len(i))


def _points(x: np.ndarray, side: int) -> np.ndarray:
    """(n, p) float64 in units of the root mean square distance from the mean: both sides then weigh alike."""
    x = np.asarray(x, dtype=float).reshape(len(x), -1)
    x = x - x.mean(0)
    noise = np.random.default_rng(side).standard_normal(x.shape)
    return x / (np.sqrt(np.square(x).mean()) or 1.0) + JITTER * noise


def _by_tree(x: np.ndarray, y: np.ndarray, k: int) -> np.ndarray:
    both = np.concatenate([x, y], 1)
    tree, tree_x, tree_y = cKDTree(both), cKDTree(x), cKDTree(y)
    closer = np.nextafter(tree.query(both, k + 1, p=np.inf)[0][:, k], 0)  # strictly
    n_x, n_y = (
        t.query_ball_point(points, closer, p=np.inf, return_length=True) for t, points in ((tree_x, x), (tree_y, y))
    )
    return _bits(k, n_x, n_y, len(x))


def _counts(dx: np.ndarray, dy: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """n_x, n_y (m,) of m points whose distances to all n points are dx, dy (m, n)."""
    radius = np.partition(np.maximum(dx, dy), k, axis=1)[:, k, None]
    return (dx < radius).sum(1), (dy < radius).sum(1)


def _bits(k: int, n_x: np.ndarray, n_y: np.ndarray, n: int) -> np.ndarray:
    return (digamma(k) + digamma(n) - digamma(n_x) - digamma(n_y)) / np.log(2)


def _blocks(n: int) -> Iterator[slice]:
    step = max(1, BLOCK // n)
    return (slice(start, min(n, start + step)) for start in range(0, n, step))
