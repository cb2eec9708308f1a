"""Engineered features: what is measured of pictures without learning: mean, standard deviation and area by channel."""

from typing import Any

import numpy as np

from gde.evaluate.shared.rows import drawn_rows
from gde.features.intensities import Intensities

SAMPLE = 2000  # training pictures that thresholds are set by


def thresholds(store: Any, rng: np.random.Generator) -> np.ndarray:
    """For each channel (c,) the value between dark and bright pixels of training pictures (Otsu 1979)."""
    counted = Intensities(store.sample_type.shape[0])
    counted.add(store.gather(np.sort(drawn_rows(store, "train", SAMPLE, rng))[None])[0][0].numpy())
    return np.array([otsu(counts) for counts in counted.counts])


def otsu(counts: np.ndarray) -> int:
    """The value up to which pixels are dark, from how many have each value (v,): the one that leaves the two parts the
    least variance within; of equally good ones the middle."""
    value = np.arange(len(counts), dtype=float)
    n, total = np.cumsum(counts)[:-1], np.cumsum(counts * value)[:-1]
    rest = counts.sum() - n
    both = (n > 0) & (rest > 0)
    if not both.any():
        return int(value[counts > 0][0])
    between = np.full(len(n), -1.0)
    low, high = total[both] / n[both], ((counts * value).sum() - total[both]) / rest[both]
    between[both] = n[both] * rest[both].astype(float) * (high - low) ** 2
    best = np.flatnonzero(between >= between.max() * (1 - 1e-12))
    return int((best[0] + best[-1]) // 2)


def engineered(images: np.ndarray, threshold: np.ndarray) -> np.ndarray:
    """Mean of sets of pictures (n, c, h, w): logarithm of the mean and of the standard deviation of pixels, and share
    of pixels above the threshold (c,) of the channel: (3 c,)."""
    x = images.astype(np.float64)
    mean, sd = np.log1p(x.mean((2, 3))), np.log1p(x.std((2, 3)))
    area = (x > threshold[:, None, None]).mean((2, 3))
    return np.concatenate([mean, sd, area], 1).mean(0)
