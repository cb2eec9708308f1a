"""Month and country of sets of sequences, read from their embeddings by linear regression, and from simpler views."""

from typing import Any

import numpy as np
import pandas as pd

from gde.evaluate.epidemic_sets import FUTURE, Keys, Sets
from gde.evaluate.metrics import bootstrap, record
from gde.evaluate.regression import ridge, softmax

SUFFIX = {"test": "", FUTURE: "_future"}
WHAT = {"test": "held out", FUTURE: "held out in time"}
Results = tuple[dict[str, dict], dict[str, pd.DataFrame]]


def readouts(
    views: dict[str, np.ndarray],
    sets: Sets,
    keys: Keys,
    rng: np.random.Generator,
    repeats: int,
    left: list[tuple[str, str]],
) -> Results:
    """`month/*` and `country/*`: fitted on sets that train, of months that are not held out; tested on sets of other
    countries and months, and on those of later months. Penalties are chosen with whole groups left out."""
    month, country, part = keys.month[sets.group], keys.country[sets.group], keys.part[sets.group]
    fit = np.flatnonzero(part == "train")
    tested = {name: np.flatnonzero(part == name) for name in SUFFIX}
    for name, chosen in tested.items():
        if not len(chosen):
            left.append((f"month/mae{SUFFIX[name]}", f"no set is {WHAT[name]}"))
    groups = keys.unit[sets.group[fit]]
    if len(np.unique(groups)) < 3:
        left.append(("month", f"{len(np.unique(groups))} groups that train, three are needed"))
        return {}, {}
    penalty = {name: int(rng.integers(1 << 31)) for name in views}  # each view has random folds of its own
    found = {
        name: ridge(x[fit], month[fit, None], np.random.default_rng(penalty[name]), groups=groups)(x)[:, 0]
        for name, x in views.items()
    }
    metrics, rows = {}, []
    for name, chosen in tested.items():
        if not len(chosen):
            continue
        error = {view: np.abs(y[chosen] - month[chosen]) for view, y in found.items()}
        error["median"] = np.abs(np.median(month[fit]) - month[chosen])
        metrics[f"month/mae{SUFFIX[name]}"] = over_groups(
            error.pop("gde"), sets.group[chosen], error, rng, repeats, higher_is_better=False
        )
        metrics |= countries(views, sets, country, fit, groups, chosen, SUFFIX[name], rng, repeats, left)
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


def countries(
    views: dict[str, np.ndarray],
    sets: Sets,
    country: np.ndarray,
    fit: np.ndarray,
    groups: np.ndarray,
    chosen: np.ndarray,
    suffix: str,
    rng: np.random.Generator,
    repeats: int,
    left: list[tuple[str, str]],
) -> dict[str, dict]:
    """`country/accuracy`: share of tested sets whose country is right, of those with a country that trains.

    groups : of the sets `fit`, left out whole where the penalty is chosen.
    """
    name = f"country/accuracy{suffix}"
    classes, code = np.unique(country[fit], return_inverse=True)
    chosen = chosen[np.isin(country[chosen], classes)]
    if len(classes) < 2 or not len(chosen) or len(np.unique(groups)) < 3:
        left.append((name, f"{len(classes)} countries that train, {len(chosen)} sets of them to test"))
        return {}
    shares = np.eye(len(classes))[code]
    right = {}
    for view, x in views.items():
        y = softmax(reduced(x, fit), shares, rng, groups=groups)(reduced(x, fit, chosen))
        right[view] = (classes[y.argmax(1)] == country[chosen]).astype(float)
    commonest = classes[np.bincount(code).argmax()]
    right["majority"] = (country[chosen] == commonest).astype(float)
    metric = over_groups(right.pop("gde"), sets.group[chosen], right, rng, repeats, higher_is_better=True)
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
    values: np.ndarray,
    group: np.ndarray,
    baselines: dict[str, np.ndarray],
    rng: np.random.Generator,
    repeats: int,
    *,
    higher_is_better: bool,
) -> dict[str, Any]:
    """Record of the mean of one value per set, with an interval in which whole groups are drawn again."""
    members = [np.flatnonzero(group == g) for g in np.unique(group)]
    ci = None
    if len(members) > 1:
        ci = bootstrap(lambda i: values[np.concatenate([members[k] for k in i])].mean(), len(members), rng,
                       repeats=repeats)  # fmt: skip
    return record(
        values.mean(), n=len(values), higher_is_better=higher_is_better, ci=ci,
        baselines={name: x.mean() for name, x in baselines.items()},
    )  # fmt: skip
