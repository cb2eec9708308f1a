"""Shifts: features of one side against those of the other, as decoded from embeddings and as observed."""

from dataclasses import dataclass

import numpy as np

from gde.models.base import Model
from gde.tl.association import benjamini_hochberg
from gde.tl.decoded import Side, generated, observed_replicates
from gde.tl.moments import Moments
from gde.tl.sides import Sides

LEVEL = 0.95
SIGNIFICANT, CLEAR = 0.05, 3
ENOUGH = 20
MEDIAN = 0.4549  # of the square of a standard normal
ROUNDING = 1e-9


@dataclass(frozen=True)
class Shift:
    """Differences (g,) second - first, standard errors, degrees of freedom, p-values of no difference."""

    value: np.ndarray
    se: np.ndarray
    freedom: np.ndarray
    p: np.ndarray

    @classmethod
    def of(cls, value: np.ndarray, variance: np.ndarray, freedom: np.ndarray) -> "Shift":
        """By Student's t; p is 1 where there is neither a difference nor an error, NaN where the error is unknown."""
        from scipy.stats import t

        se, size = np.sqrt(variance), np.abs(value)
        with np.errstate(invalid="ignore", divide="ignore"):
            p = np.where(size <= ROUNDING, 1.0, 2 * t.sf(size / se, freedom))
        return cls(value, se, freedom, np.where(np.isfinite(se) | (size <= ROUNDING), p, np.nan))

    def widened(self, by: np.ndarray) -> "Shift":
        """With a further standard error (g,)."""
        return Shift.of(self.value, np.square(self.se) + np.square(by), self.freedom)

    @property
    def fdr(self) -> np.ndarray:
        """Benjamini & Hochberg 1995."""
        return benjamini_hochberg(self.p)

    @property
    def half(self) -> np.ndarray:
        """Half the width of the interval."""
        from scipy.stats import t

        return t.ppf((1 + LEVEL) / 2, self.freedom) * self.se


def decoded_shifts(
    model: Model, sides: Sides, first: Side, second: Side, n: int, seed: int
) -> tuple[Shift, Shift | None, np.ndarray]:
    """Shift of the means of generated samples and, of numbers, of the log2 of their standard deviations.

    n samples of every embedding, all from the same noise, so that the difference of two of them holds little of it.
    Variance: of the replicates' decoded values, each side with its own (Welch-Satterthwaite), and of the mean
    difference of the n pairs of samples. So far the interval is one of what the model generates for the two
    distributions; `model_error` tells how far that is from the data.
    returns both, and the covariance (g,) of the errors of the decoded and of the observed shift of means.
    """
    readout = sides.readout
    a, b = (generated(model, side.z, n, seed, readout) for side in (first, second))
    mean, spread = [[], []], [[], []]
    for s, side in enumerate((first, second)):
        for z in side.replicates:
            values = generated(model, z, n, seed, readout)
            mean[s].append(values.mean(0))
            if readout.spreads:
                spread[s].append(_log_sd(values))
    of_pairs = (b - a).var(0, ddof=1) / n
    shift = _tested(b.mean(0) - a.mean(0), mean, of_pairs, first, second)
    shared = sum(
        _covariance(np.stack(mean[s]), observed_replicates(sides, s, side)) for s, side in enumerate((first, second))
    )
    if not readout.spreads:
        return shift, None, shared
    return shift, _tested(_log_sd(b) - _log_sd(a), spread, _error_of_spread(a, b), first, second), shared


def _covariance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Of each column (g,) of replicates a and b (r, g)."""
    return ((a - a.mean(0)) * (b - b.mean(0))).sum(0) / (len(a) - 1)


def _tested(
    value: np.ndarray, replicates: list[list[np.ndarray]], more: np.ndarray, first: Side, second: Side
) -> Shift:
    draws = len(replicates[0])
    v = [np.var(part, axis=0, ddof=1) for part in replicates]  # (g,) of each side
    by_units = _freedom(v[0], v[1], first.units, second.units)
    freedom = 1 / (1 / by_units + 1 / (draws - 1))  # relative variances of the estimated variance add
    return Shift.of(value, v[0] + v[1] + more, freedom)


def _freedom(v: np.ndarray, w: np.ndarray, n: float, m: float) -> np.ndarray:
    """Welch-Satterthwaite degrees of freedom of squared errors v, w (g,) from n and m units."""
    total = np.square(v) / (n - 1) + np.square(w) / (m - 1)
    return np.divide(np.square(v + w), total, out=np.full(len(v), n + m - 2.0), where=total > 0)


def _log_sd(values: np.ndarray) -> np.ndarray:
    return np.log2(np.maximum(values.std(0, ddof=1), ROUNDING))


def _error_of_spread(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Variance (g,) of log2 sd(b) - log2 sd(a) over pairs of samples (n, g), by the delta method."""
    pull = []
    for x in (a, b):
        squares = np.square(x - x.mean(0))
        pull.append(squares / np.maximum(squares.mean(0), ROUNDING**2) / (2 * np.log(2)))
    return (pull[1] - pull[0]).var(0, ddof=1) / len(a)


def observed_shifts(sides: Sides, moments: Moments) -> tuple[Shift, np.ndarray, np.ndarray]:
    """The pseudobulk test: Welch's t of the samples' features, or of the units' (donors') mean features.

    returns it, the standard deviation (g,) of single samples inside units, and log2 of the ratio of the sides' ones.
    """
    means, variances, n = moments.means(), moments.variances(), moments.effective()
    v, centre, count, within = [], [], [], []
    for s in (0, 1):
        own = sides.side == s
        if sides.by is None:
            (u,) = np.flatnonzero(own)
            centre.append(means[u])
            v.append(variances[u] / n[u])
            count.append(n[u])
            within.append(variances[u])
        else:
            centre.append(means[own].mean(0))
            v.append(means[own].var(0, ddof=1) / own.sum())
            count.append(own.sum())
            known = own & (n > 1)
            weight = (n[known] - 1)[:, None]
            within.append((variances[known] * weight).sum(0) / weight.sum() if known.any() else np.ones(means.shape[1]))
    shift = Shift.of(centre[1] - centre[0], v[0] + v[1], _freedom(v[0], v[1], count[0], count[1]))
    ratio = 0.5 * np.log2(np.maximum(within[1], ROUNDING**2) / np.maximum(within[0], ROUNDING**2))
    return shift, np.sqrt((within[0] + within[1]) / 2), ratio


def model_error(decoded: Shift, observed: Shift, shared: np.ndarray, unit: np.ndarray) -> float:
    """Standard deviation over features of what the model gets wrong about a shift, in units (g,).

    The greater of two. What decoded - observed shifts vary more than sampling explains (shared : covariance of their
    errors). And what the typical decoded shift is larger than the typical observed one: a model that was trained on
    these samples has the chance of their difference in its axes, which then agrees with the observed.
    """
    noise = np.square(observed.se) + np.square(decoded.se) - 2 * shared
    apart = typical((decoded.value - observed.value) / unit, noise / unit**2)
    own = (typical(shift.value / unit, np.square(shift.se / unit)) for shift in (decoded, observed))
    more = next(own) ** 2 - next(own) ** 2
    return float(np.sqrt(max(apart**2, more, 0.0)))


def relative_error(decoded: Shift, observed: Shift, shared: np.ndarray, wrong: np.ndarray, unit: np.ndarray) -> float:
    """What the model gets wrong of large shifts, as a share of these: a generator shrinks what it learned, which the
    typical feature cannot tell, since it does not shift.

    Root mean square of decoded - observed over the features whose observed shift is clear (false discovery rate
    SIGNIFICANT), beyond that of the other features, or, of fewer than ENOUGH others, beyond sampling (shared :
    covariance) and the error `wrong` (g,) of any feature. 0 where fewer than CLEAR are clear.
    """
    known = np.isfinite(unit) & np.isfinite(observed.se) & np.isfinite(decoded.se)
    clear = (observed.fdr <= SIGNIFICANT) & known
    if clear.sum() < CLEAR:
        return 0.0
    apart = (decoded.value - observed.value) / unit
    others = known & ~clear
    if others.sum() >= ENOUGH:
        usual = typical(apart[others], np.zeros(others.sum())) ** 2
    else:
        noise = np.square(observed.se) + np.square(decoded.se) - 2 * shared + np.square(wrong)
        usual = (noise / unit**2)[clear]
    size = float(((np.square(observed.value) - np.square(observed.se)) / unit**2)[clear].sum())
    return float(np.sqrt(max(0.0, float((np.square(apart[clear]) - usual).sum()) / size))) if size > 0 else 0.0


def typical(values: np.ndarray, noise: np.ndarray) -> float:
    """Standard deviation t of features (g,) beside noise of known variance (g,).

    It makes values² / (noise + t²) as large as the square of a normal: in the median, in which the few features that
    shift most have no part; of fewer than ENOUGH features in the mean. 0 where the noise explains all.
    """
    from scipy.optimize import brentq

    known = np.isfinite(values) & np.isfinite(noise)
    squares, noise = np.square(values[known]), np.maximum(noise[known], 1e-12)
    if not len(squares):
        return 0.0
    middle, normal = (np.median, MEDIAN) if len(squares) >= ENOUGH else (np.mean, 1.0)

    def excess(t: float) -> float:
        return float(middle(squares / (noise + t))) - normal

    return float(np.sqrt(brentq(excess, 0.0, middle(squares) / normal))) if excess(0.0) > 0 else 0.0
