"""Accuracies of several descriptions of the same sets, their differences in pairs, and intervals over groups."""

from typing import Any

import numpy as np

from gde.evaluate.shared.metrics import LEVEL


class GroupMeans:
    """Groups (g,) with a label each, drawn again `repeats` times: the same draws for every value, hence pairs.

    A value of groups (g,) counts by the mean over labels of the mean over their groups, and groups are drawn again
    within their label; where every group is a label of its own, among all. Several values of one group, such as of cuts
    of the same samples, are dependent: they are averaged first, so that the groups are the units.
    Intervals are percentiles, expanded for few groups as Student's t is (Hesterberg 2015, section 5.3).
    """

    def __init__(self, labels: np.ndarray, rng: np.random.Generator, repeats: int):
        names, of = np.unique(labels, return_inverse=True)
        if len(names) == len(labels):
            names, of = names[:1], np.zeros(len(labels), int)
        share = np.eye(len(names))[of] / np.bincount(of) / len(names)  # (g, labels)
        self.weight = share.sum(1)
        self.drawn = np.zeros((repeats, len(labels)))  # weight of each group in each draw
        for k in range(len(names)):
            own = np.flatnonzero(of == k)
            self.drawn[:, own] = rng.multinomial(len(own), np.full(len(own), 1 / len(own)), size=repeats)
        self.drawn *= self.weight
        self.levels = expanded_levels(len(labels) - len(names) + 1)

    def mean(self, values: np.ndarray) -> float:
        """Mean of values (g,)."""
        return float(self.weight @ values)

    def interval(self, values: np.ndarray) -> tuple[float, float]:
        """95 % interval of `mean` of values (g,) when groups are drawn again."""
        low, high = np.quantile(self.drawn @ values, self.levels)
        return float(low), float(high)

    def difference(self, own: np.ndarray, other: np.ndarray) -> dict[str, Any]:
        """`value`: mean of own - other, both (g,) of the same groups, and its interval `ci`."""
        low, high = self.interval(own - other)
        return {"value": self.mean(own - other), "ci": [low, high]}


def expanded_levels(n: int) -> tuple[float, float]:
    """Quantiles of the bootstrap that hold 95 % for a mean of n units, (.025, .975) for many. n >= 2, else (0, 1)."""
    from scipy.stats import norm, t

    if n < 2:
        return 0.0, 1.0
    low = float(norm.cdf(np.sqrt(n / (n - 1)) * t.ppf((1 - LEVEL) / 2, n - 1)))
    return low, 1 - low
