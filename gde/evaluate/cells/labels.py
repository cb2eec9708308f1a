"""Can the label be read from an embedding? Classification and silhouette of held-out sub-sets."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from gde.errors import bad
from gde.evaluate.shared.columns import first_label
from gde.evaluate.shared.context import Context, Results
from gde.evaluate.shared.metrics import grouped_bootstrap, mean_interval, record
from gde.evaluate.shared.pairs import Held
from gde.evaluate.shared.tables import embedding_table
from gde.sets.random import seed_of

FOLDS = 5


@dataclass(frozen=True)
class SubSets:
    """Disjoint sub-sets of groups: x (s, n, d) padded, mask (s, n), group (s,) place in the pairs, target (s,) bool."""

    x: np.ndarray
    mask: np.ndarray
    group: np.ndarray
    target: np.ndarray


def cut(held: Held, seed: int, *, repeats: int, set_size: int) -> SubSets:
    """At most `repeats` disjoint sub-sets of every context and of every target, two at least.

    A sub-set has half the median target's samples, 2 to `set_size`, so that most groups give several; a smaller group
    is cut in two.
    """
    half = int(np.median([len(p.target) for p in held.pairs])) // 2
    size = max(2, min(set_size, half))
    parts, group, target = [], [], []
    for k, pair in enumerate(held.pairs):
        rng = np.random.default_rng(seed_of(seed, "evaluate/cut", pair.group))
        for is_target, samples in ((False, pair.context), (True, pair.target)):
            count = max(2, min(repeats, len(samples) // size))
            for piece in np.array_split(rng.permutation(len(samples)), count):
                parts.append(samples[piece[:size]])
                group.append(k)
                target.append(is_target)
    n = max(map(len, parts))
    x = np.zeros((len(parts), n, parts[0].shape[1]), dtype=np.float32)
    mask = np.zeros((len(parts), n), dtype=bool)
    for i, part in enumerate(parts):
        x[i, : len(part)], mask[i, : len(part)] = part, True
    return SubSets(x, mask, np.array(group), np.array(target))


def labels_of(store: Any, held: Held, column: str) -> np.ndarray:
    """Label (g,) str of each pair; GdeError when a label other than the group's name cannot be cross-validated."""
    labels = store.groups[column].astype(str).to_numpy()[[p.row for p in held.pairs]]
    if column != "group" and not _is_group(labels):
        counts = pd.Series(labels).value_counts()
        if (counts >= 2).sum() < 2:
            found = f"{(counts >= 2).sum()} values of {column!r} with two test groups"
            remedy = "put another column first in dataset.labels, or leave it empty to tell the groups apart"
            raise bad(store.path, found, "at least two", remedy)
    return labels


def _is_group(labels: np.ndarray) -> bool:
    return len(set(labels)) == len(labels)


def predict(features: np.ndarray, sets: SubSets, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Predicted labels of the target sub-sets that can be tested: (positions, predictions).

    Logistic regression on features (s, k) centred and divided by their mean sd. Where the label is the group: trained
    on all context sub-sets. Else grouped cross-validation: the groups of a fold are tested on a classifier that saw
    only other groups' context; a label with a single group is not tested.
    """
    from sklearn.linear_model import LogisticRegression

    own = labels[sets.group]
    positions, predictions = [], []
    for fold in _folds(labels):
        train = ~sets.target & (np.ones(len(own), bool) if fold is None else ~np.isin(sets.group, fold))
        known = np.unique(own[train])
        test = sets.target & np.isin(own, known) & (True if fold is None else np.isin(sets.group, fold))
        if len(known) < 2 or not test.any():
            continue
        centre = features[train].mean(0)
        scale = features[train].std(0).mean() or 1.0  # one number: a scale per feature would raise the noisy ones
        classifier = LogisticRegression(max_iter=500, class_weight="balanced")
        classifier.fit((features[train] - centre) / scale, own[train])
        positions.append(np.flatnonzero(test))
        predictions.append(classifier.predict((features[test] - centre) / scale))
    return np.concatenate(positions), np.concatenate(predictions)


def _folds(labels: np.ndarray) -> list[np.ndarray | None]:
    """Groups tested together: all at once when every group is its own label, else FOLDS folds spread over labels."""
    if _is_group(labels):
        return [None]
    rank = pd.Series(labels).groupby(labels).cumcount().to_numpy()
    return [np.flatnonzero(rank % FOLDS == f) for f in range(FOLDS) if (rank % FOLDS == f).any()]


def balanced_accuracy(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Mean over labels of the share predicted right."""
    return float(pd.Series(truth == predicted).groupby(truth).mean().mean())


def silhouettes(features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Silhouette (s,) of each sub-set among labelled points (s, k), in [-1, 1]."""
    from sklearn.metrics import silhouette_samples

    return silhouette_samples(features, labels)


def evaluate_labels(ctx: Context, held: Held) -> Results:
    """`labels/accuracy` (balanced) and `labels/silhouette`, the predictions, and the embeddings of all sub-sets.

    Baseline `pseudobulk_mean`: the same classifier on the means of the same sub-sets. Chance of the accuracy: one over
    the number of labels. Intervals resample groups.
    """
    model = ctx.model
    labels = labels_of(ctx.store, held, first_label(ctx.store) or "group")
    sets = cut(held, ctx.seed, repeats=ctx.options["repeats"], set_size=ctx.config["training"]["set_size"])
    x, mask = torch.from_numpy(sets.x), torch.from_numpy(sets.mask)
    z = model.encode(x.to(model.device), mask=mask.to(model.device)).double().cpu().numpy()
    pseudobulk = sets.x.sum(1, dtype=float) / sets.mask.sum(1)[:, None]
    own, rng = labels[sets.group], ctx.random("labels")

    tested, predicted = predict(z, sets, labels)
    accuracy = record(
        balanced_accuracy(own[tested], predicted),
        n=len(tested),
        higher_is_better=True,
        ci=grouped_bootstrap(
            lambda i: balanced_accuracy(own[tested][i], predicted[i]), sets.group[tested], rng, repeats=ctx.repeats
        ),
        baselines={"pseudobulk_mean": balanced_accuracy(own[tested], predict(pseudobulk, sets, labels)[1])},
        chance=1 / len(np.unique(own[tested])),
        units=len(np.unique(sets.group[tested])),
    )
    target = np.flatnonzero(sets.target)
    values = silhouettes(z[target], own[target])
    means = pd.Series(values).groupby(sets.group[target]).mean().to_numpy()
    anchor = pd.Series(silhouettes(pseudobulk[target], own[target])).groupby(sets.group[target]).mean()
    silhouette = record(
        means.mean(),
        n=len(target),
        higher_is_better=True,
        ci=mean_interval(means, rng, repeats=ctx.repeats),
        baselines={"pseudobulk_mean": anchor.mean()},
        chance=0.0,
        units=len(means),
    )
    groups = np.array([p.group for p in held.pairs])
    confusion = pd.DataFrame(
        {"group": groups[sets.group[tested]], "label": own[tested], "predicted": predicted,
         "n_samples [1]": sets.mask.sum(1)[tested]}
    )  # fmt: skip
    part = np.where(sets.target, "target", "context")
    embedding = embedding_table(z, group=groups[sets.group], label=own, part=part, sizes=sets.mask.sum(1))
    return {"labels/accuracy": accuracy, "labels/silhouette": silhouette}, {"labels": confusion, "embedding": embedding}
