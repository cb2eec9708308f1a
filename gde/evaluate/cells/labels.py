"""Can the label be read from an embedding? Classification and silhouette of held-out sub-sets."""

from typing import Any

import numpy as np
import pandas as pd
import torch

from gde.errors import bad, many
from gde.evaluate.cells.cuts import SMALLEST, SubSets, cut, size_of
from gde.evaluate.shared.columns import first_label
from gde.evaluate.shared.context import Context, Results
from gde.evaluate.shared.descriptions import Descriptions, principal_axes, training_samples
from gde.evaluate.shared.discriminant import discriminant
from gde.evaluate.shared.metrics import record
from gde.evaluate.shared.paired import GroupMeans
from gde.evaluate.shared.pairs import Held
from gde.evaluate.shared.tables import embedding_table

FOLDS = 5
DRAWS = 10  # times as many as other metrics have: far quantiles of few groups, from products of matrices
OURS = "gde"
NAMED = 5  # groups that a message lists
Views = dict[str, np.ndarray]  # name -> vectors (s, p) of sub-sets; OURS is the embedding, the others are baselines


def evaluate_labels(ctx: Context, held: Held) -> Results:
    """`labels/accuracy` (balanced) and `labels/silhouette`, means over random cuts of the held-out samples; with the
    predictions of all cuts and the embeddings of the first one's sub-sets.

    Baselines: the same classifier on the descriptions of `Descriptions`, of the same sub-sets, and `differences` of the
    embedding to each. Chance of the accuracy: one over the number of labels. Intervals draw groups again, each with all
    its sub-sets of all cuts; that cuts of the same samples are dependent does not narrow them.
    """
    labels = labels_of(ctx.store, held, first_label(ctx.store) or "group")
    options, set_size = ctx.options, ctx.config["training"]["set_size"]
    size = size_of(held, set_size)
    cuts = [cut(held, ctx.seed, i, repeats=options["repeats"], size=size) for i in range(options["cuts"])]
    views = views_of(ctx, cuts)
    number, sets = np.repeat(np.arange(len(cuts)), [len(c.group) for c in cuts]), joined(cuts)
    first = number == 0
    part = np.where(sets.target, "target", "context")
    groups, own = np.array([p.group for p in held.pairs]), labels[sets.group]
    tables = {
        "embedding": embedding_table(
            views[OURS][first], group=groups[sets.group[first]], label=own[first], part=part[first],
            sizes=sets.sizes[first],
        )
    }  # fmt: skip
    small = [p.group for p in held.pairs if len(p.target) < SMALLEST]
    marks = [f"{many(len(small), 'group')} of {len(groups)} not tested: fewer than {SMALLEST} samples"] if small else []
    if small:
        names = ", ".join(small[:NAMED]) + (f" and {len(small) - NAMED} more" if len(small) > NAMED else "")
        ctx.leave_out("labels of some groups", f"fewer than {SMALLEST} held-out samples: {names}")

    rank = sum(len(p.context) for p in held.pairs) // size // 2  # two independent sub-sets for each direction
    predicted = {name: predict(x, sets, labels, rank=rank) for name, x in views.items()}
    tested = predicted[OURS][0]
    units = np.unique(sets.group[tested])
    if len(np.unique(labels[units])) < 2:
        ctx.leave_out("labels", f"fewer than two labels with a group of {SMALLEST} held-out samples")
        return {}, tables
    rng = ctx.random("labels")
    means = GroupMeans(labels[units], rng, DRAWS * ctx.repeats)
    right = {name: per_group(own[tested] == guess, sets.group[tested]) for name, (_, guess) in predicted.items()}
    n, known = int(first[tested].sum()), np.unique(own[~sets.target])
    metrics = {"labels/accuracy": paired_record(right, means, n=n, chance=1 / len(known), marks=marks)}

    found = {name: [] for name in views}
    for i in range(len(cuts)):
        own_cut = np.flatnonzero((number == i) & sets.target)
        if 1 < len(np.unique(own[own_cut])) < len(own_cut):
            for name, x in views.items():
                found[name].append(pd.Series(silhouettes(x[own_cut], own[own_cut]), sets.group[own_cut]))
    if found[OURS]:
        values = {name: pd.concat(parts).groupby(level=0).mean() for name, parts in found.items()}
        there = values[OURS].index.to_numpy()
        means = GroupMeans(np.arange(len(there)), rng, DRAWS * ctx.repeats)
        values = {name: value.to_numpy() for name, value in values.items()}
        metrics["labels/silhouette"] = paired_record(values, means, n=n, chance=0.0, marks=marks)
    else:
        ctx.leave_out("labels/silhouette", "every label has one held-out sub-set")
    tables["labels"] = pd.DataFrame(
        {"cut": number[tested], "group": groups[sets.group[tested]], "label": own[tested],
         "predicted": predicted[OURS][1], "n_samples [1]": sets.sizes[tested]}
    )  # fmt: skip
    return metrics, tables


def paired_record(
    values: dict[str, np.ndarray], means: GroupMeans, *, n: int, chance: float, marks: list[str]
) -> dict[str, Any]:
    """Record of our value (g,) per group, the others being baselines, and our difference to each."""
    own, others = values[OURS], {name: value for name, value in values.items() if name != OURS}
    metric = record(
        means.mean(own),
        n=n,
        higher_is_better=True,
        ci=means.interval(own),
        baselines={name: means.mean(value) for name, value in others.items()},
        differences={name: means.difference(own, value) for name, value in others.items()},
        chance=chance,
        units=len(own),
    )
    metric["marks"] += marks
    return metric


def views_of(ctx: Context, cuts: list[SubSets]) -> Views:
    """Embeddings and `Descriptions` of the sub-sets of all cuts, one after the other.

    Moments: on as many principal components of the first cut's contexts as the embedding has numbers.
    """
    model = ctx.model
    known = Descriptions(training_samples(ctx.store, ctx.random("descriptions")), seed=ctx.seed)
    parts, axes = [], None
    for sets in cuts:
        x, mask = map(torch.from_numpy, sets.padded())
        z = model.encode(x.to(model.device), mask=mask.to(model.device)).double().cpu().numpy()
        view = known.of(sets.parts)
        if axes is None:
            axes = principal_axes(view["pca_of_moments"][~sets.target], z.shape[1])
        parts.append({OURS: z, **view, "pca_of_moments": view["pca_of_moments"] @ axes})
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def joined(cuts: list[SubSets]) -> SubSets:
    """The sub-sets of all cuts, one after the other."""
    group, target = (np.concatenate([getattr(c, name) for c in cuts]) for name in ("group", "target"))
    return SubSets([part for c in cuts for part in c.parts], group, target)


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


def predict(
    features: np.ndarray, sets: SubSets, labels: np.ndarray, *, rank: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Predicted labels of the target sub-sets that can be tested: (positions, predictions), by `discriminant`.

    Where the label is the group: fitted on all context sub-sets (s, k). Else grouped cross-validation: the groups of a
    fold are tested on a classifier that saw only other groups' context; a label with a single group is not tested.
    """
    own = labels[sets.group]
    positions, predictions = [np.zeros(0, int)], [own[:0]]
    for fold in _folds(labels):
        train = ~sets.target & (np.ones(len(own), bool) if fold is None else ~np.isin(sets.group, fold))
        known = np.unique(own[train])
        test = sets.target & np.isin(own, known) & (True if fold is None else np.isin(sets.group, fold))
        if len(known) < 2 or not test.any():
            continue
        positions.append(np.flatnonzero(test))
        predictions.append(discriminant(features[train], own[train], rank=rank)(features[test]))
    positions = np.concatenate(positions)
    order = np.argsort(positions)
    return positions[order], np.concatenate(predictions)[order]


def _folds(labels: np.ndarray) -> list[np.ndarray | None]:
    """Groups tested together: all at once when every group is its own label, else FOLDS folds spread over labels."""
    if _is_group(labels):
        return [None]
    rank = pd.Series(labels).groupby(labels).cumcount().to_numpy()
    return [np.flatnonzero(rank % FOLDS == f) for f in range(FOLDS) if (rank % FOLDS == f).any()]


def per_group(values: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Mean (g,) of the values (s,) of each group that has any, in order."""
    return pd.Series(np.asarray(values, dtype=float)).groupby(group).mean().to_numpy()


def silhouettes(features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Silhouette (s,) of each sub-set among labelled points (s, k), in [-1, 1]."""
    from sklearn.metrics import silhouette_samples

    return silhouette_samples(features, labels)
