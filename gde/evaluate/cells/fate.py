"""Fate: what becomes of a clone: the composition of its late cells, predicted from its early ones."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from gde.evaluate.shared.metrics import bootstrap, mean_interval, record
from gde.evaluate.shared.regression import softmax

FEWEST = 10  # clones to fit on; tested ones: three


def js(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Jensen-Shannon divergence (n,), bits, of rows of shares (n, c): 0 for equal ones, 1 for disjoint ones."""
    middle = (p + q) / 2

    def information(a: np.ndarray) -> np.ndarray:
        ratio = np.divide(a, middle, out=np.ones_like(middle), where=a > 0)
        return (a * np.log2(ratio)).sum(1)

    return (information(p) + information(q)) / 2


def predict_fate(
    views: Mapping[str, np.ndarray],
    late: np.ndarray,
    tested: np.ndarray,
    rng: np.random.Generator,
    *,
    halves: tuple[np.ndarray, np.ndarray] | None = None,
    repeats: int = 200,
) -> tuple[dict[str, dict], dict[str, np.ndarray]]:
    """Records fate/js and fate/r2 of tested clones, and the shares (t, c) that each view predicts for them.

    views : early sides (n, p), the first one is the value, the others baselines: softmax regression for each, its
    penalty chosen inside the clones it is fitted on.   late (n, c) : shares of cell types.   Chance: the mean shares of
    the clones fitted on.   halves : shares (t, c) in two random halves of the tested clones' late cells. A perfect
    prediction misses the shares of all cells by a quarter of the squared difference of halves, hence the ceiling
    (for js, which is a squared distance where shares are alike, about).
    """
    fit = ~tested
    mean = late[fit].mean(0, keepdims=True).repeat(tested.sum(), 0)
    predicted = {name: softmax(x[fit], late[fit], rng)(x[tested]) for name, x in views.items()}
    truth = late[tested]
    first, *others = predicted
    total = np.square(truth - mean).sum(1)
    divergence = {name: js(truth, p) for name, p in predicted.items()}
    squared = {name: np.square(truth - p).sum(1) for name, p in predicted.items()}

    def r2(index=slice(None), name=first) -> float:
        return float(1 - squared[name][index].sum() / max(total[index].sum(), 1e-12))

    ceilings: dict[str, float | None] = {"js": None, "r2": None}
    if halves is not None:
        ceilings["js"] = js(*halves).mean() / 4
        ceilings["r2"] = 1 - np.square(halves[0] - halves[1]).sum() / 4 / max(total.sum(), 1e-12)
    n = int(tested.sum())
    metrics = {
        "fate/js": record(
            divergence[first].mean(),
            n=n,
            higher_is_better=False,
            ci=mean_interval(divergence[first], rng, repeats=repeats),
            baselines={name: divergence[name].mean() for name in others},
            chance=js(truth, mean).mean(),
            ceiling=ceilings["js"],
        ),
        "fate/r2": record(
            r2(),
            n=n,
            higher_is_better=True,
            ci=bootstrap(r2, n, rng, repeats=repeats),
            baselines={name: r2(name=name) for name in others},
            chance=0.0,
            ceiling=ceilings["r2"],
        ),
    }
    return metrics, predicted | {"mean_composition": mean}


def fate_table(
    clones: np.ndarray, types: list[str], truth: np.ndarray, predicted: Mapping[str, np.ndarray]
) -> pd.DataFrame:
    """Long table: group (clone), label (cell type), share, and what each view predicted."""
    rows = {"group": np.repeat(clones, len(types)), "label": np.tile(types, len(clones)), "share [1]": truth.ravel()}
    return pd.DataFrame(rows | {f"{name} [1]": p.ravel() for name, p in predicted.items()})


def half_shares(
    sets: list[np.ndarray], code: np.ndarray, n: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Shares (t, n) in two random halves of each set of rows; a set of one cell is its own other half."""
    out = np.zeros((2, len(sets), n))
    for i, rows in enumerate(sets):
        known = rng.permutation(code[rows][code[rows] >= 0])
        for half in (0, 1):
            own = known[half::2] if len(known) > 1 else known
            out[half, i] = np.bincount(own, minlength=n) / max(len(own), 1)
    return out[0], out[1]
