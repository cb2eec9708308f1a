"""Null effects: are perturbations that do something told from those that do nothing, by how far they move the
embedding?"""

from typing import Any

import numpy as np

from gde.embed import embed_store, encode_sets, standard_error
from gde.errors import bad
from gde.evaluate.cells.effects import CONTROL_CELLS, Controls, Effects
from gde.evaluate.shared.classification import auc
from gde.evaluate.shared.context import Context
from gde.evaluate.shared.metrics import bootstrap, record
from gde.sets.store.annotations import rows_of


def strength(gap: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Mean over dimensions (n,) of gap² / variance (n, l): about 1 without an effect, whatever the number of cells.

    A variance below a hundredth of the median is raised to it.
    """
    floor = 0.01 * np.median(variance)
    return (np.square(gap) / np.maximum(variance, max(floor, 1e-12))).mean(1)


def null_auc(ctx: Context, effects: Effects, controls: dict[str, Controls]) -> dict[str, Any]:
    """Record of the AUC by which the embeddings' distance from the controls', in standard errors, tells held-out
    perturbations from those that the column `evaluation.null` of the groups marks as doing nothing. Baseline: the same
    with means.

    GdeError for a column that the groups lack or where all are alike.
    """
    model, store, column, rng = ctx.model, ctx.store, ctx.options["null"], ctx.rng
    if column not in store.groups:
        raise bad("evaluation.null", repr(column), f"one of {', '.join(store.groups.columns)}", "correct it")
    test = np.flatnonzero(effects.split == "test")
    positive = ~store.groups[column].to_numpy(dtype=bool)[effects.rows[test]]
    if positive.all() or not positive.any():
        raise bad("evaluation.null", f"{column!r} alike in all held-out groups", "both kinds", "set it to null")
    z, se = embed_store(model, store, effects.rows[test])
    of_control = {}
    for context, of in controls.items():
        x = np.asarray(store.x[np.sort(rng.permutation(of.rows)[:CONTROL_CELLS])], dtype=np.float32)
        of_control[context] = encode_sets(model, iter([x]), len(x))[0], standard_error(model, x)
    before, error = (np.stack([of_control[c][k] for c in effects.context[test]]) for k in (0, 1))
    variance = np.square(se.astype(float)) + np.square(error.astype(float))
    score = strength(z.astype(float) - before, variance)
    spread = []
    for g, context in zip(effects.rows[test], effects.context[test], strict=True):
        x = np.asarray(store.x[rows_of(store, g)], dtype=float).reshape(store.sizes[g], -1)
        spread.append(x.var(0) / max(len(x) - 1, 1) + x.var(0) / len(controls[context].rows))
    means = strength(effects.shift[test], np.stack(spread))

    def resampled(index: np.ndarray) -> float:
        some = positive[index]
        return auc(score[index], some) if some.any() and not some.all() else auc(score, positive)

    return record(
        auc(score, positive),
        n=len(test),
        higher_is_better=True,
        ci=bootstrap(resampled, len(test), rng, repeats=ctx.repeats),
        baselines={"pseudobulk_mean": auc(means, positive)},
        chance=0.5,
        units=int(min(positive.sum(), (~positive).sum())),
    )
