"""Evaluation on donors: labels read from their embeddings, traces of batches, replicates and order."""

from typing import Any

import numpy as np
import pandas as pd

from gde.errors import bad
from gde.evaluate.cells.describer import Describer, Views
from gde.evaluate.cells.donor_labels import correct, cross_validated, held_out
from gde.evaluate.shared.classification import Classified
from gde.evaluate.shared.columns import Labelled, column_of, first_label, tested_groups
from gde.evaluate.shared.context import Context, Results
from gde.evaluate.shared.correlation import spearman
from gde.evaluate.shared.metrics import bootstrap, mean_interval, record
from gde.evaluate.shared.pairs import FEWEST, held_out_pairs, large_enough
from gde.evaluate.shared.reconstruction import reconstruct
from gde.evaluate.shared.regression import ridge
from gde.evaluate.shared.tables import embedding_table, left_out_table
from gde.sets.store.annotations import rows_of
from gde.sets.store.columns import numbers

DONOR = "donor"


def evaluate(ctx: Context) -> Results:
    """Records and tables. What the data cannot tell stands in `left_out`.

    labels/accuracy, auc : classifier fitted on donors that train or validate, tested on the held-out ones.
    labels/accuracy_cv, auc_cv : cross-validation over all donors, donors held out from the classifier, the encoder
    having seen most of them: the published protocol.   Chance of an accuracy is the share of the commonest class.
    """
    ctx, store, options = ctx.drawing("donors"), ctx.store, ctx.options
    names = column_of(store, options["label"] or first_label(store), "evaluation.label")
    rows = [np.r_[rows_of(store, g)] for g in range(len(store))]
    describe = Describer.of(ctx, rows)
    views = describe(rows)
    unit = store.groups[DONOR if DONOR in store.groups else "group"].astype(str).to_numpy()
    labels = Labelled(names, unit, tested_groups(store))

    metrics, predictions = labels_of(ctx, views, labels)
    if options["batch"] is None or options["batch"] not in store.groups:
        why = "evaluation.batch names no column" if options["batch"] is None else f"groups have no {options['batch']}"
        ctx.leave_out("labels/batch_auc, labels/corrected", why)
    else:
        metrics |= batches(ctx, views, labels, column_of(store, options["batch"], "evaluation.batch"))
    metrics |= replicates(ctx, [rows[g] for g in np.flatnonzero(labels.tested)], describe)
    if options["order"] is None:
        ctx.leave_out("trajectory", "evaluation.order names no column")
    else:
        metrics |= trajectory(ctx, views, labels, numbers(store, options["order"], "evaluation.order").to_numpy())
    tables = {"labels": predictions} if len(predictions) else {}
    if large_enough(store) >= FEWEST:
        found, table = reconstruct(ctx, held_out_pairs(store, ctx.seed))
        metrics, tables = metrics | found, tables | table
    else:
        ctx.leave_out("reconstruction", "fewer than two held-out donors of four cells")
    if not metrics:
        found = "; ".join(f"{a}: {b}" for a, b in ctx.left)
        raise bad(store.path, found, "held-out donors", "hold out more of them")
    part = np.where(labels.tested, "target", "context")
    tables["embedding"] = embedding_table(views["gde"], group=unit, label=names, part=part, sizes=store.sizes)
    tables["left_out"] = left_out_table(ctx.left)
    return metrics, tables


def labels_of(ctx: Context, views: Views, labels: Labelled) -> tuple[dict[str, dict], pd.DataFrame]:
    """Label metrics of held-out donors and of all, and the predictions for the former."""
    rng = ctx.rng
    metrics, table = {}, pd.DataFrame()
    for suffix, protocol in (("", "strict"), ("_cv", "paper_protocol")):
        found: dict[str, Classified] = {}
        for view, x in views.items():
            if suffix:
                own = ctx.random("cross_validation")  # the same folds for every view
                result = cross_validated(x, labels.names, labels.unit, own, repeats=ctx.options["repeats"])
            else:
                result = held_out(x, labels, ctx.random("held_out"))
            if result is not None:
                found[view] = result
        if "gde" not in found:
            for metric in ("accuracy", "auc"):
                ctx.leave_out(f"labels/{metric}{suffix}", "too few donors of two labels, to fit on or to test")
            continue
        own = found["gde"]
        others = {name: result for name, result in found.items() if name != "gde"}
        for metric, score, chance in (("accuracy", Classified.accuracy, own.prior), ("auc", Classified.auc, 0.5)):
            metrics[f"labels/{metric}{suffix}"] = record(
                score(own),
                n=len(np.unique(own.unit)),
                higher_is_better=True,
                ci=own.interval(score, rng, ctx.repeats),
                baselines={name: score(result) for name, result in others.items()},
                differences=own.differences(others, score, rng, ctx.repeats),
                chance=chance,
                protocol=protocol,
            )
        if not suffix:
            table = own.table()
    return metrics, table


def batches(ctx: Context, views: Views, labels: Labelled, batch: np.ndarray) -> dict[str, dict]:
    """How well the batch (g,) is read from embeddings (lower is better), and labels and batches after its removal."""
    names, unit, repeats = labels.names, labels.unit, ctx.options["repeats"]

    def crossed(x: np.ndarray, remove: tuple | None = None) -> Classified | None:
        return cross_validated(x, batch, unit, ctx.random("batches"), repeats=repeats, remove=remove)

    found = {v: crossed(x) for v, x in views.items()}
    if found["gde"] is None:
        ctx.leave_out("labels/batch_auc, labels/corrected", "fewer than two batches with two donors")
        return {}
    without = {v: crossed(x, (names, batch)) for v, x in views.items()}
    metrics = {
        "labels/batch_auc": auc_record(ctx, found, higher_is_better=False),
        "labels/corrected_batch_auc": auc_record(ctx, without, higher_is_better=False),
    }
    fit = ~labels.tested
    corrected = {v: held_out(correct(x, names, batch, fit), labels, ctx.random("held_out")) for v, x in views.items()}
    if corrected["gde"] is not None:
        metrics["labels/corrected_auc"] = auc_record(ctx, corrected, higher_is_better=True)
    else:
        ctx.leave_out("labels/corrected_auc", "too few donors of two labels, to fit on or to test")
    return metrics


def auc_record(ctx: Context, found: dict[str, Classified], *, higher_is_better: bool) -> dict[str, Any]:
    """Record of the AUC of our view, the others being baselines."""
    own = found["gde"]
    others = {view: result for view, result in found.items() if view != "gde"}
    return record(
        own.auc(), n=len(np.unique(own.unit)), higher_is_better=higher_is_better,
        ci=own.interval(Classified.auc, ctx.rng, ctx.repeats),
        baselines={view: result.auc() for view, result in others.items()}, chance=0.5,
        differences=own.differences(others, Classified.auc, ctx.rng, ctx.repeats),
    )  # fmt: skip


def replicates(ctx: Context, rows: list[np.ndarray], describe: Describer) -> dict[str, dict]:
    """`replicates/nearest`: share of held-out donors, rows of each, of which one half of the cells is nearest to the
    other half among all held-out donors' other halves."""
    own = [ctx.rng.permutation(r) for r in rows if len(r) >= 4]
    if len(own) < 3:
        ctx.leave_out("replicates", "fewer than three held-out donors of four cells")
        return {}
    first, second = (describe([r[half::2] for r in own]) for half in (0, 1))
    hits = {}
    for name in first:
        gap = np.linalg.norm(first[name][:, None] - second[name][None], axis=-1)
        hits[name] = ((gap < np.diag(gap)[:, None]).sum(1) == 0).astype(float)
    value = hits.pop("gde")
    metric = record(
        value.mean(), n=len(own), higher_is_better=True, chance=1 / len(own),
        ci=mean_interval(value, ctx.rng, repeats=ctx.repeats),
        baselines={name: hit.mean() for name, hit in hits.items()},
    )  # fmt: skip
    return {"replicates/nearest": metric}


def trajectory(ctx: Context, views: Views, labels: Labelled, values: np.ndarray) -> dict[str, dict]:
    """`trajectory/spearman`: rank correlation, over held-out donors, of a number (g,) with what ridge regression on the
    embeddings of the others predicts, its penalty chosen with whole donors left out."""
    known, unit, rng = np.isfinite(values), labels.unit, ctx.rng
    fit, test = known & ~labels.tested, known & labels.tested
    donors = len(set(unit[fit]))
    if donors < 5 or test.sum() < 4 or len(set(values[test])) < 2:
        ctx.leave_out("trajectory", f"{donors} donors to fit on and {test.sum()} to test")
        return {}
    predicted = {
        name: ridge(x[fit], values[fit, None], rng, groups=unit[fit])(x[test])[:, 0] for name, x in views.items()
    }
    truth = values[test]

    def rho(name: str, index=slice(None)) -> float:
        return spearman(predicted[name][index], truth[index])

    metric = record(
        rho("gde"), n=len(truth), higher_is_better=True, chance=0.0,
        ci=bootstrap(lambda i: rho("gde", i), len(truth), rng, repeats=ctx.repeats),
        baselines={name: rho(name) for name in predicted if name != "gde"},
    )  # fmt: skip
    return {"trajectory/spearman": metric}
