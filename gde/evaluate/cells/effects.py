"""True effects of perturbations: shifts of the mean against controls of the same batches, and their noise."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from gde.errors import bad
from gde.sets.companions import control_of
from gde.sets.store.annotations import codes, has, rows_of
from gde.sets.store.columns import joint

CONTROL_CELLS = 4000  # of a context: enough for its embedding, its spread and its pictures


@dataclass(frozen=True)
class Effects:
    """Perturbed groups (g,): row in the store, condition, context (such as the cell line), split and protocol.

    shift : (g, d) mean minus the mean of controls of the same batches, in units of the samples; unmatched : minus that
    of all controls; half : (2, g, d), shifts of two halves of the cells against two halves of the controls.
    """

    rows: np.ndarray
    condition: np.ndarray
    context: np.ndarray
    split: np.ndarray
    protocol: np.ndarray
    shift: np.ndarray
    unmatched: np.ndarray
    half: np.ndarray

    def where(self, keep: np.ndarray) -> "Effects":
        """Some of the groups."""
        few = (self.rows, self.condition, self.context, self.split, self.protocol, self.shift, self.unmatched)
        return Effects(*(v[keep] for v in few), self.half[:, keep])


@dataclass(frozen=True)
class Controls:
    """Controls of one context: rows of the store, mean (d,), and mean (batches, d) where a batch has any, else it."""

    rows: np.ndarray
    mean: np.ndarray
    of_batch: np.ndarray


def batches_of(store: Any, batch: str | None) -> np.ndarray:
    """Code of every sample's batch (rows,), 0 for all without batches and where it is unknown."""
    return (
        codes(store, batch)[0].clip(0) if batch is not None and has(store, batch) else np.zeros(len(store.x), np.int64)
    )


def true_effects(
    store: Any, objective: dict[str, Any], batches: np.ndarray, rng: np.random.Generator
) -> tuple[Effects, dict[str, Controls]]:
    """Effects of all perturbed groups whose context has controls, and the Controls of every context.

    objective : says which groups are controls and which columns make a context. batches (rows,) : code of each sample's
    batch; all alike = `shift` is `unmatched`. GdeError where no held-out group has a control.
    """
    names, control = control_of(store, objective["control"])
    key = np.array([" ".join(k) or "all" for k in joint(store, objective["within"], "objective.within")], dtype=object)
    n = int(batches.max()) + 1
    parity = rng.permutation(len(store.x)) % 2
    contexts, halves = {}, {}
    for context in sorted(set(key[control])):
        rows = np.concatenate([np.r_[rows_of(store, g)] for g in np.flatnonzero(control & (key == context))])
        contexts[context] = controls(store, rows, batches, n)
        halves[context] = [controls(store, rows[parity[rows] == h], batches, n) for h in (0, 1)]
    own = np.flatnonzero(~control & np.isin(key, list(contexts)))
    split = store.groups["split"].to_numpy()
    if not (split[own] == "test").any():
        raise bad(store.path, "no held-out perturbation with controls", "one or more", "hold out some perturbations")
    condition = names.to_numpy()[own].astype(object)
    shift, unmatched, half = [], [], ([], [])
    for g in own:
        x, codes_of = np.asarray(store.read(g), dtype=float).reshape(store.sizes[g], -1), batches[rows_of(store, g)]
        shift.append(x.mean(0) - matched(contexts[key[g]], codes_of))
        unmatched.append(x.mean(0) - contexts[key[g]].mean)
        side = parity[rows_of(store, g)]
        if len(set(side)) == 1:  # both halves need a cell
            side = np.arange(len(side)) % 2
        for h in (0, 1):
            part = side == h if len(side) > 1 else np.ones(1, bool)
            half[h].append(x[part].mean(0) - matched(halves[key[g]][h], codes_of[part]))
    trained = set(condition[split[own] == "train"])
    protocol = [
        s if s != "test" else "transfer" if c in trained else "zero_shot"
        for s, c in zip(split[own], condition, strict=True)
    ]
    arrays = map(np.array, (shift, unmatched, half))
    return Effects(own, condition, key[own], split[own], np.array(protocol, object), *arrays), contexts


def controls(store: Any, rows: np.ndarray, batches: np.ndarray, n: int) -> Controls:
    """Means of the controls in `rows`, n batches."""
    rows = np.sort(rows)
    sums, count = np.zeros((n, int(np.prod(store.x.shape[1:])))), np.zeros(n)
    for part in np.array_split(rows, max(1, len(rows) // 4096)):
        x = np.asarray(store.x[part], dtype=float).reshape(len(part), -1)
        code = batches[part]
        order = np.argsort(code, kind="stable")
        present, first = np.unique(code[order], return_index=True)
        sums[present] += np.add.reduceat(x[order], first)
        count += np.bincount(code, minlength=n)
    mean = sums.sum(0) / max(count.sum(), 1)
    of_batch = np.where(count[:, None] > 0, sums / np.maximum(count, 1)[:, None], mean)
    return Controls(rows, mean, of_batch)


def matched(of: Controls, batches: np.ndarray) -> np.ndarray:
    """Mean (d,) of controls, batches in the shares in which the cells (n,) are from them."""
    share = np.bincount(batches, minlength=len(of.of_batch)) / len(batches)
    return share @ of.of_batch


def matched_rows(of: Controls, batches: np.ndarray, wanted: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Rows of about n different controls, batches in the shares in which `wanted` (m,) has them.

    Fewer where a batch has fewer controls; random ones of all where none of the batches has any.
    """
    rows = rng.permutation(of.rows)
    share = np.bincount(wanted, minlength=len(of.of_batch)) / len(wanted)
    picked = [rows[batches[rows] == b][: round(n * share[b])] for b in np.flatnonzero(share)]
    found = np.concatenate(picked)
    return np.sort(found if len(found) >= 2 else rows[:n])


@dataclass(frozen=True)
class Genes:
    """A linear map of shifts (n, d) of samples to shifts (n, genes) of expression, and the genes' names, None where the
    shifts stay in the samples' own units."""

    expression: Callable[[np.ndarray], np.ndarray]
    names: list[str] | None

    def __call__(self, shift: np.ndarray) -> np.ndarray:
        return self.expression(shift)


def genes_of(model: Any) -> Genes:
    """The genes behind a model's samples; of one that does not know its preprocessing, the samples as they are."""
    features = getattr(model, "features", None)
    if features is None:
        return Genes(lambda shift: shift, None)
    zero = features.inverse(np.zeros((1, features.dim)))
    return Genes(lambda shift: features.inverse(shift) - zero, list(features.names))
