"""Classification of donors: classifiers that never saw a donor they are tested on, and the removal of batches."""

import numpy as np

from gde.evaluate.shared.classification import Classified, prior
from gde.evaluate.shared.columns import Labelled
from gde.evaluate.shared.regression import FOLDS, softmax


def held_out(x: np.ndarray, labels: Labelled, rng: np.random.Generator) -> Classified | None:
    """Softmax regression on the sets x (n, p) that are not tested, applied to those that are and whose label is known
    to it. None with fewer than two labels or six donors to fit on, or fewer than two donors or one label to test."""
    names, unit, tested = labels.names, labels.unit, labels.tested
    fit = ~tested
    classes = np.unique(names[fit])
    test = tested & np.isin(names, classes)
    if len(classes) < 2 or len(set(unit[fit])) < 6 or len(set(unit[test])) < 2 or len(set(names[test])) < 2:
        return None
    return Classified(
        unit[test], names[test], classes, _fit(x, names, unit, fit, classes, rng)(x[test]), prior(names[test])
    )


def cross_validated(
    x: np.ndarray,
    names: np.ndarray,
    unit: np.ndarray,
    rng: np.random.Generator,
    *,
    repeats: int,
    remove: tuple[np.ndarray, np.ndarray] | None = None,
) -> Classified | None:
    """Every set predicted by classifiers that did not see its donor; probabilities are means over `repeats` divisions.

    Labels of a single donor are left out. remove : (labels, batches) whose batch effects, estimated anew on each fold's
    training donors, are taken out first. None with fewer than two labels of two donors or six donors.
    """
    donors = {name: len(set(unit[names == name])) for name in np.unique(names)}
    classes = np.array([name for name, count in donors.items() if count >= 2], dtype=names.dtype)
    kept = np.flatnonzero(np.isin(names, classes))
    if len(classes) < 2 or len(set(unit[kept])) < 6:
        return None
    probability = np.zeros((len(kept), len(classes)))
    for _ in range(repeats):
        for part in _folds(names[kept], unit[kept], rng):
            fit = np.zeros(len(x), bool)
            fit[kept[~part]] = True
            own = x if remove is None else correct(x, *remove, fit)
            model = _fit(own, names, unit, fit, classes, rng)
            probability[part] += model(own[kept[part]]) / repeats
    return Classified(unit[kept], names[kept], classes, probability, prior(names[kept]))


def correct(x: np.ndarray, names: np.ndarray, batch: np.ndarray, fit: np.ndarray) -> np.ndarray:
    """Embeddings (n, p) without the effects of batches: least squares of those at `fit` on label and batch together,
    so that a label that is commoner in a batch is kept. Batches not seen there stay as they are."""
    label_of, batch_of = (np.unique(v[fit], return_inverse=True) for v in (names, batch))
    design = np.concatenate([np.eye(len(u))[i] for u, i in (label_of, batch_of)], 1)
    # both sets of indicators hold the constant: the least-norm solution, then batch effects of mean 0 over the sets
    weight = np.linalg.lstsq(design, x[fit], rcond=None)[0][len(label_of[0]) :]
    weight = weight - np.bincount(batch_of[1], minlength=len(weight)) @ weight / fit.sum()
    place = {name: i for i, name in enumerate(batch_of[0])}
    effect = np.stack([weight[place[b]] if b in place else np.zeros(x.shape[1]) for b in batch])
    return x - effect


def _fit(x, names, unit, fit, classes, rng):
    """Classes weigh alike, so that the commonest one is not said for want of better."""
    own = names[fit]
    shares = (own[:, None] == classes[None]).astype(float)
    weight = (shares / np.maximum(shares.sum(0), 1)).sum(1)
    return softmax(x[fit], shares, rng, weight=weight, groups=unit[fit])


def _folds(names: np.ndarray, unit: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Masks of the tested sets of each fold: donors whole, spread over the labels."""
    donors, first = np.unique(unit, return_index=True)
    order = rng.permutation(len(donors))
    order = order[np.argsort(names[first[order]], kind="stable")]
    fold = dict(zip(donors[order], np.arange(len(donors)) % FOLDS, strict=True))
    number = np.array([fold[u] for u in unit])
    return [number == f for f in range(FOLDS) if (number == f).any()]
