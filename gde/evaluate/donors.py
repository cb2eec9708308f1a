"""Evaluation on donors: labels read from their embeddings, traces of batches, replicates and order."""

from typing import Any

import numpy as np
import pandas as pd

from gde.errors import bad
from gde.evaluate.clones import embedded, pseudobulk, shares
from gde.evaluate.donor_labels import Classified, correct, cross_validated, held_out
from gde.evaluate.lineage import left_out_table
from gde.evaluate.metrics import bootstrap, record
from gde.evaluate.pairs import FEWEST, held_out_pairs, large_enough
from gde.evaluate.pca import two_components
from gde.evaluate.regression import ridge
from gde.evaluate.samples import reconstruct
from gde.evaluate.tables import principal_columns
from gde.sets.annotations import codes, has, rows_of
from gde.sets.columns import numbers
from gde.sets.random import seed_of

DONOR, CELL_TYPE = "donor", "cell_type"


def evaluate(
    model: Any, store: Any, config: dict[str, Any], seed: int
) -> tuple[dict[str, dict], dict[str, pd.DataFrame]]:
    """Records and tables. What the data cannot tell stands in `left_out`.

    labels/accuracy, auc : classifier fitted on donors that train or validate, tested on the held-out ones.
    labels/accuracy_cv, auc_cv : cross-validation over all donors, donors held out from the classifier, the encoder
    having seen most of them: the published protocol.   Chance of an accuracy is the share of the commonest class.
    """
    options = config["evaluation"]
    label = options["label"] or next(iter(store.meta.get("labels") or ()), None)
    names = column_of(store, label, "evaluation.label")
    rows = [np.r_[rows_of(store, g)] for g in range(len(store))]
    views, types = views_of(model, store, rows)
    unit = store.groups[DONOR if DONOR in store.groups else "group"].astype(str).to_numpy()
    tested = (store.groups["split"] == "test").to_numpy()
    left: list[tuple[str, str]] = []
    rng = np.random.default_rng(seed_of(seed, "evaluate/donors"))

    metrics, predictions = labels_of(views, names, unit, tested, options, rng, left)
    if options["batch"] is None or options["batch"] not in store.groups:
        left.append(("labels/batch_auc", f"groups have no {options['batch']}"))
    else:
        batch = column_of(store, options["batch"], "evaluation.batch")
        metrics |= batches(views, names, batch, unit, tested, options, rng, left)
    metrics |= replicates(model, store, rows, tested, types, options["bootstrap"], rng, left)
    if options["order"] is None:
        left.append(("trajectory", "evaluation.order names no column"))
    else:
        values = numbers(store, options["order"], "evaluation.order").to_numpy()
        metrics |= trajectory(views, values, unit, tested, options["bootstrap"], rng, left)
    tables = {"labels": predictions} if len(predictions) else {}
    if large_enough(store) >= FEWEST:
        found, table = reconstruct(model, store, held_out_pairs(store, seed), options, seed)
        metrics, tables = metrics | found, tables | table
    else:
        left.append(("reconstruction", "fewer than two held-out donors of four cells"))
    if not metrics:
        raise bad(store.path, "; ".join(f"{a}: {b}" for a, b in left), "held-out donors", "hold out more of them")
    tables["embedding"] = embedding_table(views["gde"], unit, names, tested, store)
    tables["left_out"] = left_out_table(left)
    return metrics, tables


def column_of(store: Any, name: str | None, key: str) -> np.ndarray:
    """A column of the groups as text (g,). GdeError for one that is not there or has a missing value."""
    if name is None or name not in store.groups:
        found, known = repr(name) if name else "no column", f"one of {', '.join(store.groups.columns)}"
        raise bad(key, found, known, "name a column of the groups, e.g. the first of dataset.labels")
    values = store.groups[name]
    if values.isna().any():
        group = store.groups["group"][values.isna()].iloc[0]
        raise bad(key, f"no {name!r} of group {group!r}", "a value of every group", "fill it in")
    return values.astype(str).to_numpy()


def views_of(model: Any, store: Any, rows: list[np.ndarray]) -> tuple[dict[str, np.ndarray], tuple | None]:
    """Embeddings, pseudobulk means and, where cells have types, compositions of sets of rows; the types' codes."""
    views = {"gde": embedded(model, store, rows), "pseudobulk_mean": pseudobulk(store, rows)}
    types = None
    if has(store, CELL_TYPE) and CELL_TYPE not in store.groups:
        types = codes(store, CELL_TYPE)
        views["composition"] = shares(rows, types[0], len(types[1]))
    return views, types


def labels_of(views, names, unit, tested, options, rng, left) -> tuple[dict[str, dict], pd.DataFrame]:
    """Label metrics of held-out donors and of all, and the predictions for the former."""
    metrics, table = {}, pd.DataFrame()
    for suffix, protocol in (("", "strict"), ("_cv", "paper_protocol")):
        found: dict[str, Classified] = {}
        for view, x in views.items():
            if suffix:
                result = cross_validated(x, names, unit, rng, repeats=options["repeats"])
            else:
                result = held_out(x, names, unit, tested, rng)
            if result is not None:
                found[view] = result
        if "gde" not in found:
            left.append((f"labels/auc{suffix}", "too few donors of two labels, to fit on or to test"))
            continue
        own = found["gde"]
        others = {name: result for name, result in found.items() if name != "gde"}
        for metric, score, chance in (("accuracy", Classified.accuracy, own.prior), ("auc", Classified.auc, 0.5)):
            metrics[f"labels/{metric}{suffix}"] = record(
                score(own),
                n=len(np.unique(own.unit)),
                higher_is_better=True,
                ci=own.interval(score, rng, options["bootstrap"]),
                baselines={name: score(result) for name, result in others.items()},
                chance=chance,
                protocol=protocol,
            )
        if not suffix:
            table = pd.DataFrame(
                {"group": own.unit, "label": own.truth, "predicted": own.predicted,
                 "probability [1]": own.probability.max(1)}
            )  # fmt: skip
    return metrics, table


def batches(views, names, batch, unit, tested, options, rng, left) -> dict[str, dict]:
    """How well the batch is read from embeddings (lower is better), and labels and batches after its removal."""
    found = {v: cross_validated(x, batch, unit, rng, repeats=options["repeats"]) for v, x in views.items()}
    if found["gde"] is None:
        left.append(("labels/batch_auc", "fewer than two batches with two donors"))
        return {}
    without = {
        v: cross_validated(x, batch, unit, rng, repeats=options["repeats"], remove=(names, batch))
        for v, x in views.items()
    }
    pairs = [("labels/batch_auc", found), ("labels/corrected_batch_auc", without)]
    metrics = {}
    for name, results in pairs:
        own = results["gde"]
        metrics[name] = record(
            own.auc(), n=len(np.unique(own.unit)), higher_is_better=False,
            ci=own.interval(Classified.auc, rng, options["bootstrap"]),
            baselines={v: r.auc() for v, r in results.items() if v != "gde"}, chance=0.5,
        )  # fmt: skip
    fit = ~tested
    corrected = {v: held_out(correct(x, names, batch, fit), names, unit, tested, rng) for v, x in views.items()}
    own = corrected["gde"]
    if own is not None:
        metrics["labels/corrected_auc"] = record(
            own.auc(), n=len(np.unique(own.unit)), higher_is_better=True,
            ci=own.interval(Classified.auc, rng, options["bootstrap"]),
            baselines={v: r.auc() for v, r in corrected.items() if v != "gde"}, chance=0.5,
        )  # fmt: skip
    return metrics


def replicates(model, store, rows, tested, types, repeats, rng, left) -> dict[str, dict]:
    """`replicates/nearest`: share of held-out donors of which one half of the cells is nearest to the other half among
    all held-out donors' other halves."""
    own = [rng.permutation(rows[g]) for g in np.flatnonzero(tested) if len(rows[g]) >= 4]
    if len(own) < 3:
        left.append(("replicates", "fewer than three held-out donors of four cells"))
        return {}
    sides = [[r[half::2] for r in own] for half in (0, 1)]
    views = {
        "gde": [embedded(model, store, side) for side in sides],
        "pseudobulk_mean": [pseudobulk(store, side) for side in sides],
    }
    if types is not None:
        views["composition"] = [shares(side, types[0], len(types[1])) for side in sides]
    hits = {}
    for name, (a, b) in views.items():
        gap = np.linalg.norm(a[:, None] - b[None], axis=-1)
        hits[name] = ((gap < np.diag(gap)[:, None]).sum(1) == 0).astype(float)
    value = hits.pop("gde")
    metric = record(
        value.mean(), n=len(own), higher_is_better=True, chance=1 / len(own),
        ci=bootstrap(lambda i: value[i].mean(), len(own), rng, repeats=repeats),
        baselines={name: hit.mean() for name, hit in hits.items()},
    )  # fmt: skip
    return {"replicates/nearest": metric}


def trajectory(views, values, unit, tested, repeats, rng, left) -> dict[str, dict]:
    """`trajectory/spearman`: rank correlation, over held-out donors, of a number with what ridge regression on the
    embeddings of the others predicts, its penalty chosen with whole donors left out."""
    from scipy.stats import spearmanr

    known = np.isfinite(values)
    fit, test = known & ~tested, known & tested
    donors = len(set(unit[fit]))
    if donors < 5 or test.sum() < 4 or len(set(values[test])) < 2:
        left.append(("trajectory", f"{donors} donors to fit on and {test.sum()} to test"))
        return {}
    predicted = {
        name: ridge(x[fit], values[fit, None], rng, groups=unit[fit])(x[test])[:, 0] for name, x in views.items()
    }
    truth = values[test]

    def rho(name: str, index=slice(None)) -> float:
        a, b = predicted[name][index], truth[index]
        return float(spearmanr(a, b).statistic) if len(set(a)) > 1 and len(set(b)) > 1 else 0.0

    metric = record(
        rho("gde"), n=len(truth), higher_is_better=True, chance=0.0,
        ci=bootstrap(lambda i: rho("gde", i), len(truth), rng, repeats=repeats),
        baselines={name: rho(name) for name in predicted if name != "gde"},
    )  # fmt: skip
    return {"trajectory/spearman": metric}


def embedding_table(z: np.ndarray, unit, names, tested, store) -> pd.DataFrame:
    """Two principal components of all donors' embeddings with label and whether the donor was held out."""
    centre, directions, share = two_components(z)
    table = pd.DataFrame((z - centre) @ directions, columns=principal_columns("pc", "latent units", share))
    part = np.where(tested, "target", "context")
    return table.assign(**{"group": unit, "label": names, "part": part, "n_samples [1]": store.sizes})
