"""Tissues of held-out samples, read from embeddings; and how near samples of one tissue lie."""

from typing import Any

import numpy as np
import pandas as pd

from gde.evaluate.donor_labels import Classified, prior
from gde.evaluate.methylation_views import Pieces
from gde.evaluate.metrics import bootstrap, record
from gde.evaluate.regression import softmax


def classified(view: tuple, pieces: Pieces, names: np.ndarray, unit: np.ndarray, tested: np.ndarray, rng) -> Classified:
    """Softmax regression on the groups that are not `tested`, whole and in pieces, applied to those that are.

    view : vectors of groups and pieces; names, unit (g,) : tissue and sample of each group. Every tissue weighs alike.
    The penalty is chosen on whole samples, or on pieces where a tissue has but one sample to fit on.
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
    """Mean over the tissues that are tested of 2 right / (said + there)."""
    return mean_f1(found.truth[index], found.predicted[index])


def mean_f1(truth: np.ndarray, predicted: np.ndarray) -> float:
    right = [((truth == name) & (predicted == name)).sum() for name in np.unique(truth)]
    both = [(truth == name).sum() + (predicted == name).sum() for name in np.unique(truth)]
    return float(np.mean(2 * np.array(right) / np.array(both)))


def tissue_metrics(
    views: dict[str, tuple], pieces: Pieces, names: np.ndarray, unit: np.ndarray, tested: np.ndarray, rng, repeats: int
) -> tuple[dict[str, dict], Classified]:
    """`accuracy` and `macro_f1` of the tissues of tested groups. Chance is always saying the commonest."""
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


def replicates(views: dict[str, tuple], names: np.ndarray, tested: np.ndarray, rng, repeats: int) -> dict[str, dict]:
    """`separation`: mean distance of tested groups to those of other tissues, over that to others of their own;
    `nearest`: share of them whose nearest other group is of their tissue. {} where no tested tissue has another group.
    """
    same = (names[:, None] == names) & ~np.eye(len(names), dtype=bool)
    rows = np.flatnonzero(tested & same.any(1) & ((names[:, None] != names).any(1)))
    if len(rows) < 2:
        return {}
    within, between, hit = {}, {}, {}
    for view, (x, _) in views.items():
        gap = np.linalg.norm(x[:, None] - x[None], axis=-1)
        other = np.where(np.eye(len(x), dtype=bool), np.inf, gap)
        within[view] = np.array([gap[i, same[i]].mean() for i in rows])
        between[view] = np.array([gap[i, names != names[i]].mean() for i in rows])
        hit[view] = np.array([same[i, other[i].argmin()] for i in rows], dtype=float)

    def separation(view: str, index=slice(None)) -> float:
        return float(between[view][index].mean() / max(within[view][index].mean(), 1e-12))

    others = [view for view in views if view != "gde"]
    return {
        "replicates/separation": record(
            separation("gde"), n=len(rows), higher_is_better=True, chance=1.0,
            ci=bootstrap(lambda i: separation("gde", i), len(rows), rng, repeats=repeats),
            baselines={view: separation(view) for view in others},
        ),
        "replicates/nearest": record(
            hit["gde"].mean(), n=len(rows), higher_is_better=True, ceiling=1.0,
            chance=float(np.mean([same[i].sum() / (len(names) - 1) for i in rows])),
            ci=bootstrap(lambda i: hit["gde"][i].mean(), len(rows), rng, repeats=repeats),
            baselines={view: hit[view].mean() for view in others},
        ),
    }  # fmt: skip


def head_accuracy(model: Any, z: np.ndarray, names: np.ndarray, unit: np.ndarray, rng, repeats: int) -> dict[str, Any]:
    """Accuracy of the classifier that was trained with the model, on embeddings z (t, l) of tested groups."""
    import torch

    probability = model.predict_labels(torch.from_numpy(z).float().to(model.device)).double().cpu().numpy()
    found = Classified(unit, names, np.array(model.heads["classifier"].classes), probability, prior(names))
    return record(
        found.accuracy(), n=len(np.unique(unit)), higher_is_better=True, chance=found.prior, ceiling=1.0,
        ci=found.interval(Classified.accuracy, rng, repeats),
    )  # fmt: skip
