"""Month and country of sets of sequences, read from their embeddings by linear regression, and from simpler views."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from gde.errors import many
from gde.evaluate.epidemic.sets import FUTURE, Keys, Sets
from gde.evaluate.shared.context import Context, Results
from gde.evaluate.shared.metrics import grouped_bootstrap, record
from gde.evaluate.shared.regression import ridge, softmax

SUFFIX = {"test": "", FUTURE: "_future"}
WHAT = {"test": "held out", FUTURE: "held out in time"}


@dataclass(frozen=True)
class Fitted:
    """What regressions are fitted on: views (s, p) of all sets by name, the country (s,) and the group (s,) of each,
    the sets that train, `fit` (f,), and the units (f,) of these that are left out whole where a penalty is chosen."""

    views: dict[str, np.ndarray]
    country: np.ndarray
    group: np.ndarray
    fit: np.ndarray
    units: np.ndarray


def readouts(ctx: Context, views: dict[str, np.ndarray], sets: Sets, keys: Keys) -> Results:
    """`month/*` and `country/*`: fitted on sets that train, of months that are not held out; tested on sets of other
    countries and months, and on those of later months. Penalties are chosen with whole groups left out."""
    month, country, part = keys.month[sets.group], keys.country[sets.group], keys.part[sets.group]
    fit = np.flatnonzero(part == "train")
    tested = {name: np.flatnonzero(part == name) for name in SUFFIX}
    for name, chosen in tested.items():
        if not len(chosen):
            for metric in ("month/mae", "country/accuracy"):
                ctx.leave_out(f"{metric}{SUFFIX[name]}", f"no set is {WHAT[name]}")
    groups = keys.unit[sets.group[fit]]
    if len(np.unique(groups)) < 3:
        ctx.leave_out("month, country", f"{many(len(np.unique(groups)), 'group')} to train on, three are needed")
        return {}, {}
    penalty = {name: int(ctx.rng.integers(1 << 31)) for name in views}  # each view has random folds of its own
    found = {
        name: ridge(x[fit], month[fit, None], np.random.default_rng(penalty[name]), groups=groups)(x)[:, 0]
        for name, x in views.items()
    }
    fitted = Fitted(views, country, sets.group, fit, groups)
    metrics, rows = {}, []
    for name, chosen in tested.items():
        if not len(chosen):
            continue
        error = {view: np.abs(y[chosen] - month[chosen]) for view, y in found.items()}
        error["median"] = np.abs(np.median(month[fit]) - month[chosen])
        metrics[f"month/mae{SUFFIX[name]}"] = over_groups(
            ctx, error.pop("gde"), sets.group[chosen], error, higher_is_better=False
        )
        metrics |= countries(ctx, fitted, chosen, SUFFIX[name])
        rows.append(
            pd.DataFrame(
                {
                    "group": keys.group[sets.group[chosen]],
                    "label": country[chosen],
                    "part": WHAT[name],
                    "month [months]": month[chosen],
                    "read [months]": found["gde"][chosen],
                    "sites [months]": found["sites"][chosen],
                    "n_samples [1]": [len(sets.rows[i]) for i in chosen],
                }
            )
        )
    return metrics, {"months": pd.concat(rows, ignore_index=True)} if rows else {}


def countries(ctx: Context, fitted: Fitted, chosen: np.ndarray, suffix: str) -> dict[str, dict]:
    """`country/accuracy`: share of the sets `chosen` whose country is right, of those with a country that trains."""
    country, fit, groups = fitted.country, fitted.fit, fitted.units
    name = f"country/accuracy{suffix}"
    classes, code = np.unique(country[fit], return_inverse=True)
    chosen = chosen[np.isin(country[chosen], classes)]
    if len(classes) < 2 or not len(chosen) or len(np.unique(groups)) < 3:
        ctx.leave_out(name, f"{len(classes)} countries that train, {len(chosen)} sets of them to test")
        return {}
    shares = np.eye(len(classes))[code]
    right = {}
    for view, x in fitted.views.items():
        y = softmax(reduced(x, fit), shares, ctx.rng, groups=groups)(reduced(x, fit, chosen))
        right[view] = (classes[y.argmax(1)] == country[chosen]).astype(float)
    commonest = classes[np.bincount(code).argmax()]
    right["majority"] = (country[chosen] == commonest).astype(float)
    metric = over_groups(ctx, right.pop("gde"), fitted.group[chosen], right, higher_is_better=True)
    return {name: metric | {"chance": metric["baselines"]["majority"], "ceiling": 1.0}}


def reduced(x: np.ndarray, fit: np.ndarray, chosen: np.ndarray | None = None, most: int = 128) -> np.ndarray:
    """Rows `fit`, or `chosen`, of a view in at most `most` principal components of the rows `fit`: softmax regression
    on thousands of columns would take minutes, and says the same."""
    rows = fit if chosen is None else chosen
    if x.shape[1] <= most:
        return x[rows]
    centre = x[fit].mean(0)
    values, vectors = np.linalg.eigh((x[fit] - centre) @ (x[fit] - centre).T)
    kept = np.argsort(-values)[: min(most, len(fit) - 1)]
    kept = kept[values[kept] > 1e-9 * max(values.max(), 1e-300)]
    directions = (x[fit] - centre).T @ vectors[:, kept] / np.sqrt(values[kept])
    return (x[rows] - centre) @ directions


def over_groups(
    ctx: Context, values: np.ndarray, group: np.ndarray, baselines: dict[str, np.ndarray], *, higher_is_better: bool
) -> dict[str, Any]:
    """Record of the mean of one value per set, with an interval in which whole groups are drawn again."""
    ci = None
    if len(np.unique(group)) > 1:
        ci = grouped_bootstrap(lambda i: values[i].mean(), group, ctx.rng, repeats=ctx.repeats)
    return record(
        values.mean(), n=len(values), higher_is_better=higher_is_better, ci=ci,
        baselines={name: x.mean() for name, x in baselines.items()}, units=len(np.unique(group)),
    )  # fmt: skip
