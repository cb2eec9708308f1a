"""Effect: the distance of two embeddings without the sampling errors that lengthen it, and its interval."""

import numpy as np


def effect_of(difference: np.ndarray, error: np.ndarray, spread: float, quantile: float = 1.96) -> dict[str, float]:
    """Effect of a difference d (l,) of two embeddings whose errors have the covariance E `error` (l, l).

    |d|² exceeds the squared distance y of the distributions by tr E on average, with variance 4 s² y + 2 tr E², s² the
    variance of d in its own direction. The interval holds the y for which |d|² lies within `quantile` standard
    deviations of what is expected. spread : standard deviation of a unit, which the effect size is measured in.
    returns effect, effect_low, effect_high, in the units of d, and effect_size.
    """
    length = difference @ difference
    squared = length - np.trace(error)
    along = difference @ error @ difference / length if length > 0 else 0.0
    c = quantile**2
    middle = squared + 2 * c * along
    half = np.sqrt(max(0.0, middle**2 - squared**2 + 2 * c * np.square(error).sum()))
    low, effect, high = (float(np.sqrt(max(0.0, y))) for y in (middle - half, squared, middle + half))
    size = effect / spread if spread > 0 else float("nan")
    return {"effect": effect, "effect_low": low, "effect_high": high, "effect_size": size}
