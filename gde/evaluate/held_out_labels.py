"""Labels of held-out groups, read from vectors of the others and of pieces of them."""

import numpy as np
import pandas as pd

from gde.evaluate.donor_labels import Classified, prior
from gde.evaluate.metrics import record
from gde.evaluate.pieces import Pieces
from gde.evaluate.regression import softmax


def classified(view: tuple, pieces: Pieces, names: np.ndarray, unit: np.ndarray, tested: np.ndarray, rng) -> Classified:
    """Softmax regression on the groups that are not `tested`, whole and in pieces, applied to those that are.

    view : vectors of groups and pieces; names, unit (g,) : label of each group and what it is a part of. Every
    label weighs alike. The penalty is chosen on whole units, or on pieces where a label has but one unit to fit on.
    """
    whole, parts = view
    fit = np.r_[np.flatnonzero(~tested), pieces.group]
    x, own = np.concatenate([whole[~tested], parts]), names[fit]
    classes = np.unique(own)
    samples = pd.Series(unit[fit]).groupby(own).nunique()
    groups = unit[fit] if samples.min() >= 2 else None
    shares = (own[:, None] == classes).astype(float)
    weight = (shares / shares.sum(0)).sum(1)
    model = softmax(x, shares, rng, weight=weight, groups=groups)
    return Classified(unit[tested], names[tested], classes, model(whole[tested]), prior(names[tested]))


def macro_f1(found: Classified, index=slice(None)) -> float:
    """Mean over the labels that are tested of 2 right / (said + there)."""
    return mean_f1(found.truth[index], found.predicted[index])


def mean_f1(truth: np.ndarray, predicted: np.ndarray) -> float:
    right = [((truth == name) & (predicted == name)).sum() for name in np.unique(truth)]
    both = [(truth == name).sum() + (predicted == name).sum() for name in np.unique(truth)]
    return float(np.mean(2 * np.array(right) / np.array(both)))


def label_metrics(
    views: dict[str, tuple], pieces: Pieces, names: np.ndarray, unit: np.ndarray, tested: np.ndarray, rng, repeats: int
) -> tuple[dict[str, dict], Classified]:
    """`accuracy` and `macro_f1` of the labels of tested groups. Chance is always saying the commonest."""
    found = {name: classified(view, pieces, names, unit, tested, rng) for name, view in views.items()}
    own = found["gde"]
    commonest = pd.Series(own.truth).mode()[0]
    f1_of_prior = mean_f1(own.truth, np.full(len(own.truth), commonest, dtype=own.truth.dtype))
    metrics = {}
    for metric, score, chance in (("accuracy", Classified.accuracy, own.prior), ("macro_f1", macro_f1, f1_of_prior)):
        metrics[metric] = record(
            score(own), n=len(np.unique(own.unit)), higher_is_better=True, chance=chance, ceiling=1.0,
            ci=own.interval(score, rng, repeats),
            baselines={name: score(f) for name, f in found.items() if name != "gde"},
        )  # fmt: skip
    return metrics, own
