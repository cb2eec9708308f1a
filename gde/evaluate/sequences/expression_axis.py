"""Expression axis: is expression an axis of the embedding? The first principal component of each condition's sets,
against the order."""

from typing import Any

import numpy as np
import pandas as pd

from gde.evaluate.sequences.windows import WindowSets
from gde.evaluate.shared.context import Context, Results
from gde.evaluate.shared.correlation import spearman
from gde.evaluate.shared.kmers import kmer_profile
from gde.evaluate.shared.metrics import bootstrap, record
from gde.evaluate.shared.pca import two_components
from gde.evaluate.shared.tables import principal_columns

NUCLEOTIDES = 4
KMER = 4
BELOW = 3  # highest sets that train, with which those held out whole are compared


def axis_metrics(ctx: Context, sets: WindowSets) -> Results:
    """`axis/*` and `extrapolation/auc`. Component and sign are those of training sets; held-out sets are ranked."""
    condition, value, top, truth = sets.condition, sets.value, sets.top, sets.truth
    tokens, z = sets.tokens, sets.z
    views = {
        "gde": z,
        "kmer_mean": {p: profiles(tokens[p], lambda x: kmer_profile(x, KMER, NUCLEOTIDES)) for p in tokens},
        "letters_by_place": {p: profiles(tokens[p], by_position) for p in tokens},
    }
    own = {name: along(view, condition, value, top) for name, view in views.items()}
    all_sets = {name: along(view, np.zeros_like(condition), value, top) for name, view in views.items()}
    metrics = {}
    for metric, found, parts in (("spearman", own, condition), ("spearman_joint", all_sets, np.zeros_like(condition))):
        metrics[f"axis/{metric}"] = record(
            within(found["gde"], value, parts), n=len(sets), higher_is_better=True, chance=0.0,
            ci=bootstrap(lambda i, f=found, p=parts: within(f["gde"][i], value[i], p[i]), len(sets), ctx.rng,
                         repeats=ctx.repeats),
            baselines={name: within(x, value, parts) for name, x in found.items() if name != "gde"},
            ceiling=within(truth, value, parts), units=fewest(parts),
        )  # fmt: skip
    if top.any():
        metrics["extrapolation/auc"] = beyond(ctx, own, sets)
    else:
        ctx.leave_out("extrapolation", "every place of the order trains")
    centre, directions, share = two_components(z["train"][~top])
    table = pd.DataFrame((z["test"] - centre) @ directions, columns=principal_columns("pc", "latent units", share))
    return metrics, {
        "axis": table.assign(
            **{
                "label": sets.label,
                "part": sets.part,
                "place [1]": value,
                "component [latent units]": own["gde"],
                "measured [expression]": truth,
                "n_samples [1]": [len(w.test) for w in sets.windows],
            }
        )
    }


def profiles(sets: list[np.ndarray], profile: Any) -> np.ndarray:
    """What describes each set of tokens (n, L), as rows (s, p); NaN for empty ones."""
    found = [profile(x) if len(x) else None for x in sets]
    size = len(next(p for p in found if p is not None))
    return np.array([np.full(size, np.nan) if p is None else p for p in found])


def by_position(tokens: np.ndarray) -> np.ndarray:
    """Share of each token at each place of tokens (n, L): (L 5,), the mean of one-hot tokens."""
    return (tokens[:, :, None] == np.arange(1, 6)).mean(0).ravel()


def along(view: dict[str, np.ndarray], condition: np.ndarray, value: np.ndarray, top: np.ndarray) -> np.ndarray:
    """Place (s,) of held-out sets on the first component of their condition's training sets, pointing upwards there."""
    out = np.zeros(len(value))
    for c in np.unique(condition):
        own = condition == c
        fit = view["train"][own & ~top]
        centre, directions, _ = two_components(fit)
        direction = directions[:, 0]
        sign = 1.0 if spearman((fit - centre) @ direction, value[own & ~top]) >= 0 else -1.0
        out[own] = sign * ((view["test"][own] - centre) @ direction)
    return out


def within(x: np.ndarray, y: np.ndarray, condition: np.ndarray) -> float:
    """Mean over conditions of Spearman's rho of x and y (s,); conditions of fewer than three sets do not count."""
    parts = [condition == c for c in np.unique(condition)]
    found = [spearman(x[p], y[p]) for p in parts if p.sum() >= 3]
    return float(np.mean(found)) if found else 0.0


def fewest(condition: np.ndarray) -> int:
    """Sets of the smallest condition that counts in `within`: what one of its correlations rests on."""
    size = np.unique(condition, return_counts=True)[1]
    return int(size[size >= 3].min(initial=size.max()))


def beyond(ctx: Context, own: dict[str, np.ndarray], sets: WindowSets) -> dict[str, Any]:
    """How often a set that is held out whole lies above one of the highest that train, of the same condition."""

    def auc(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Wins and comparisons (t,) of each set held out whole."""
        wins, of = [], []
        for i in np.flatnonzero(sets.top):
            others = sets.below(i, BELOW)
            wins.append((x[i] > x[others]).sum() + 0.5 * (x[i] == x[others]).sum())
            of.append(len(others))
        return np.array(wins, float), np.array(of)

    wins, of = auc(own["gde"])
    return record(
        wins.sum() / of.sum(), n=len(wins), higher_is_better=True, chance=0.5,
        ci=bootstrap(lambda i: wins[i].sum() / of[i].sum(), len(wins), ctx.rng, repeats=ctx.repeats),
        baselines={n: float(a.sum() / b.sum()) for n, x in own.items() if n != "gde" for a, b in [auc(x)]},
        ceiling=float(auc(sets.truth)[0].sum() / of.sum()),
    )  # fmt: skip
