"""Predictions of shifts without a model: what any model of perturbations has to beat."""

import numpy as np

from gde.evaluate.cells.effects import Effects
from gde.evaluate.shared.regression import ridge
from gde.sets.vectors import Vectors

FEWEST = 5  # training perturbations of a context; with fewer, those of all contexts
PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2)


def baselines(effects: Effects, test: np.ndarray, vectors: Vectors | None, rng: np.random.Generator) -> dict:
    """Name -> predicted shifts (t, d) of the groups at `test` (t,), from the training groups of their context.

    no_shift
    train_mean    mean shift
    additive      mean shift + the condition's mean deviation from the mean in other contexts (where it trained there)
    other_lines   the condition's mean shift in other contexts (where it trained there)
    ridge         ridge regression on the conditions' vectors, penalty by inner cross-validation
    nearest       the shift of the training condition with the most similar vector (cosine)
    The last two need `vectors`. Where not all of `test` trained in other contexts, those two baselines are left out.
    """
    train = np.flatnonzero(effects.split == "train")
    of = {c: train[effects.context[train] == c] for c in sorted(set(effects.context[test]))}  # in order: draws follow
    of = {c: rows if len(rows) >= FEWEST else train for c, rows in of.items()}
    mean = {c: effects.shift[rows].mean(0) for c, rows in of.items()}
    own = effects.context[test]
    out = {"no_shift": np.zeros_like(effects.shift[test]), "train_mean": np.stack([mean[c] for c in own])}
    elsewhere = [
        train[(effects.condition[train] == effects.condition[i]) & (effects.context[train] != effects.context[i])]
        for i in test
    ]
    if all(len(rows) for rows in elsewhere):
        context_mean = {
            c: effects.shift[train[effects.context[train] == c]].mean(0) for c in set(effects.context[train])
        }
        deviation = [
            np.mean([effects.shift[r] - context_mean[effects.context[r]] for r in rows], axis=0) for rows in elsewhere
        ]
        out["additive"] = out["train_mean"] + np.stack(deviation)
        out["other_lines"] = np.stack([effects.shift[rows].mean(0) for rows in elsewhere])
    if vectors is None:
        return out
    place = vectors.rows(effects.condition)
    if (place[test] < 0).any():
        return out
    table = vectors.table.astype(float)
    out["ridge"], out["nearest"] = np.zeros_like(out["no_shift"]), np.zeros_like(out["no_shift"])
    unit = table - table.mean(0)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True).clip(min=1e-12)
    for context, rows in of.items():
        rows = rows[place[rows] >= 0]
        here = np.flatnonzero(own == context)
        model = ridge(table[place[rows]], effects.shift[rows], rng, penalties=PENALTIES)
        out["ridge"][here] = model(table[place[test[here]]])
        alike = unit[place[test[here]]] @ unit[place[rows]].T
        alike[effects.condition[test[here]][:, None] == effects.condition[rows][None]] = -np.inf  # itself, elsewhere
        out["nearest"][here] = effects.shift[rows[alike.argmax(1)]]
    return out
