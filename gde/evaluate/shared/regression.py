"""Ridge and softmax regression with the penalty chosen by cross-validation inside the training rows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3)  # in units of the features' total variance
FOLDS = 5


@dataclass(frozen=True)
class Linear:
    """(x - centre) @ weight + offset; `penalty` as chosen, a member of PENALTIES."""

    centre: np.ndarray
    weight: np.ndarray
    offset: np.ndarray
    penalty: float

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """x (m, p) -> (m, q)."""
        return (np.asarray(x, dtype=float) - self.centre) @ self.weight + self.offset


def folds(n: int, rng: np.random.Generator, parts: int = FOLDS) -> list[np.ndarray]:
    """Rows 0..n-1 in random, nearly equal, non-empty parts."""
    return [part for part in np.array_split(rng.permutation(n), parts) if len(part)]


def _inner_folds(what: str, n: int, groups: np.ndarray | None, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Masks (n,) of the rows tested in each fold, groups (n,) being whole in one; each row is its own by default."""
    groups = np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1]
    units = int(groups.max()) + 1 if n else 0
    if units < 3:
        raise ValueError(f"{what}: found {units} rows{' or groups' if units < n else ''}, expected three or more")
    for part in folds(units, rng, min(FOLDS, units)):
        yield np.isin(groups, part)


def ridge(
    x: np.ndarray,
    y: np.ndarray,
    rng: np.random.Generator,
    *,
    penalties: Sequence[float] = PENALTIES,
    groups: np.ndarray | None = None,
) -> Linear:
    """Least squares of y (n, q) on x (n, p) with the penalty of least squared error over inner folds of rows, or of
    `groups` (n,), whose members then stay together.

    Solved in the space of rows, so that p may be thousands. ValueError for fewer than three rows or groups.
    """
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    errors = np.zeros(len(penalties))
    for test in _inner_folds("ridge", len(x), groups, rng):
        for i, model in enumerate(_ridges(x[~test], y[~test], penalties)):
            errors[i] += np.square(model(x[test]) - y[test]).sum()
    return next(_ridges(x, y, [penalties[int(errors.argmin())]]))


def _ridges(x: np.ndarray, y: np.ndarray, penalties: Sequence[float]):
    """One Linear for each penalty."""
    centre, offset = x.mean(0), y.mean(0)
    x, y = x - centre, y - offset
    values, vectors = np.linalg.eigh(x @ x.T)
    unit = values.mean() or 1.0  # the total variance
    projected = vectors.T @ y
    for penalty in penalties:
        dual = vectors @ (projected / (values.clip(min=0) + penalty * unit)[:, None])
        yield Linear(centre, x.T @ dual, offset, penalty)


@dataclass(frozen=True)
class Softmax:
    """Shares proportional to exp((x - centre) / scale @ weight + offset)."""

    centre: np.ndarray
    scale: float
    weight: np.ndarray
    offset: np.ndarray
    penalty: float

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """x (m, p) -> (m, c), rows sum to 1."""
        return np.exp(self.log(x))

    def log(self, x: np.ndarray) -> np.ndarray:
        """Logarithms of the shares (m, c)."""
        return _log_softmax((np.asarray(x, dtype=float) - self.centre) / self.scale @ self.weight + self.offset)


def softmax(
    x: np.ndarray,
    shares: np.ndarray,
    rng: np.random.Generator,
    *,
    weight: np.ndarray | None = None,
    penalties: Sequence[float] = (1e-3, 1e-2, 1e-1, 1.0),
    groups: np.ndarray | None = None,
) -> Softmax:
    """Regression of shares (n, c), rows summing to 1, on x (n, p): cross-entropy + penalty |weight|² / 2.

    weight (n,) : how much each row counts, equal by default. The penalty is that of least cross-entropy over inner
    folds of rows, or of `groups` (n,), whose members then stay together. ValueError for fewer than three rows.
    """
    x, shares = np.asarray(x, dtype=float), np.asarray(shares, dtype=float)
    weight = np.ones(len(x)) if weight is None else np.asarray(weight, dtype=float)
    losses = np.zeros(len(penalties))
    for test in _inner_folds("softmax", len(x), groups, rng):
        start = None
        for i, penalty in sorted(enumerate(penalties), key=lambda p: -p[1]):  # strongest first: each starts the next
            model, start = _fit(x[~test], shares[~test], weight[~test], penalty, start)
            losses[i] -= (weight[test, None] * shares[test] * model.log(x[test])).sum()
    return _fit(x, shares, weight, penalties[int(losses.argmin())], None)[0]


def _fit(x, shares, weight, penalty, start) -> tuple[Softmax, np.ndarray]:
    from scipy.optimize import minimize

    centre = x.mean(0)
    scale = float(np.sqrt(np.square(x - centre).mean())) or 1.0  # one number: one per feature would raise noisy ones
    u, c, p = (x - centre) / scale, shares.shape[1], x.shape[1]
    w = weight / weight.sum()

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        b, a = flat[: p * c].reshape(p, c), flat[p * c :]
        log = _log_softmax(u @ b + a)
        gap = w[:, None] * (np.exp(log) * shares.sum(1, keepdims=True) - shares)
        value = -(w[:, None] * shares * log).sum() + 0.5 * penalty * np.square(b).sum()
        return value, np.concatenate([(u.T @ gap + penalty * b).ravel(), gap.sum(0)])

    flat = np.zeros(p * c + c) if start is None else start
    if start is None:
        flat[p * c :] = np.log((w @ shares).clip(min=1e-6))
    found = minimize(loss, flat, jac=True, method="L-BFGS-B", options={"maxiter": 300}).x
    return Softmax(centre, scale, found[: p * c].reshape(p, c), found[p * c :], penalty), found


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    logits = logits - logits.max(1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(1, keepdims=True))
