"""Labels of held-out groups, read from vectors of the others and of pieces of them."""

import numpy as np
import pandas as pd

from gde.evaluate.shared.classification import Classified, prior
from gde.evaluate.shared.columns import Labelled
from gde.evaluate.shared.context import Context
from gde.evaluate.shared.metrics import record
from gde.evaluate.shared.pieces import Pieces
from gde.evaluate.shared.regression import softmax

View = tuple[np.ndarray, np.ndarray]  # vectors of groups (g, p), and of pieces of those that are not tested (s, p)


def classified(view: View, pieces: Pieces, labels: Labelled, rng: np.random.Generator) -> Classified:
    """Softmax regression on the groups that are not tested, whole and in pieces, applied to those that are.

    Every label weighs alike. The penalty is chosen on whole units, or on pieces where a label has but one unit to fit
    on.
    """
    whole, parts = view
    names, unit, tested = labels.names, labels.unit, labels.tested
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
    ctx: Context, views: dict[str, View], pieces: Pieces, labels: Labelled
) -> tuple[dict[str, dict], Classified]:
    """`accuracy` and `macro_f1` of the labels of tested groups. Chance is always saying the commonest."""
    found = {name: classified(view, pieces, labels, ctx.random("labels")) for name, view in views.items()}  # same folds
    own = found["gde"]
    others = {name: other for name, other in found.items() if name != "gde"}
    commonest = pd.Series(own.truth).mode()[0]
    f1_of_prior = mean_f1(own.truth, np.full(len(own.truth), commonest, dtype=own.truth.dtype))
    metrics = {}
    for metric, score, chance in (("accuracy", Classified.accuracy, own.prior), ("macro_f1", macro_f1, f1_of_prior)):
        metrics[metric] = record(
            score(own), n=len(np.unique(own.unit)), higher_is_better=True, chance=chance, ceiling=1.0,
            ci=own.interval(score, ctx.rng, ctx.repeats),
            baselines={name: score(other) for name, other in others.items()},
            differences=own.differences(others, score, ctx.rng, ctx.repeats),
        )  # fmt: skip
    return metrics, own
