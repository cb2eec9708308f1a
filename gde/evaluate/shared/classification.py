"""Classification of held-out sets: what a classifier said of each, and how right it was."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from gde.evaluate.shared.metrics import grouped_bootstrap


@dataclass(frozen=True)
class Classified:
    """Tested sets (t,), each as often as it was tested: unit, true label, classes (c,), probabilities (t, c); prior,
    the share of the commonest label among the sets: what always saying it would score."""

    unit: np.ndarray
    truth: np.ndarray
    classes: np.ndarray
    probability: np.ndarray
    prior: float

    @property
    def predicted(self) -> np.ndarray:
        return self.classes[self.probability.argmax(1)]

    def accuracy(self, index=slice(None)) -> float:
        """Share predicted right."""
        return float((self.predicted[index] == self.truth[index]).mean())

    def auc(self, index=slice(None)) -> float:
        """Mean over classes of the AUC of its probability, classes that are tested with and without it; 1/2 if none."""
        truth, probability = self.truth[index], self.probability[index]
        found = [
            auc(probability[:, k], truth == name)
            for k, name in enumerate(self.classes)
            if 0 < (truth == name).sum() < len(truth)
        ]
        return float(np.mean(found)) if found else 0.5

    def interval(self, score: Callable, rng: np.random.Generator, repeats: int) -> tuple[float, float]:
        """Bootstrap over units."""
        return grouped_bootstrap(lambda i: score(self, i), self.unit, rng, repeats=repeats)

    def differences(
        self, others: dict[str, "Classified"], score: Callable, rng: np.random.Generator, repeats: int
    ) -> dict[str, dict[str, Any]]:
        """Of each other view of the same sets: our score minus its, with a bootstrap over units that draws the same
        ones for both (`gde.evaluate.shared.metrics.record`)."""
        return {
            name: {
                "value": score(self) - score(other),
                "ci": grouped_bootstrap(
                    lambda i, o=other: score(self, i) - score(o, i), self.unit, rng, repeats=repeats
                ),
            }
            for name, other in others.items()
        }

    def table(self) -> pd.DataFrame:
        """The predictions, a row for each tested set."""
        return pd.DataFrame(
            {
                "group": self.unit,
                "label": self.truth,
                "predicted": self.predicted,
                "probability [1]": self.probability.max(1),
            }
        )


def auc(score: np.ndarray, positive: np.ndarray) -> float:
    """Probability that a positive one has the greater score, ties half; score (n,), positive (n,) bool."""
    from scipy.stats import rankdata

    n = int(positive.sum())
    other = len(positive) - n
    if n == 0 or other == 0:
        raise ValueError(f"auc: found {n} positive and {other} other scores, expected both")
    return float((rankdata(score)[positive].sum() - n * (n + 1) / 2) / (n * other))


def prior(names: np.ndarray) -> float:
    """Share of the commonest label."""
    return float(np.unique(names, return_counts=True)[1].max() / len(names))
