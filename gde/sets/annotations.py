"""What a set store says about single samples: the type, batch, well or place of each cell."""

import numpy as np
import pandas as pd

from gde.errors import bad
from gde.sets.store import SetStore


def has(store: SetStore, name: str) -> bool:
    """Whether samples have the annotation `name`, each its own or all of a group the same."""
    return name != "x" and (name in store.fields or name in store.groups)


def codes(store: SetStore, name: str) -> tuple[np.ndarray, list[str]]:
    """Code of every sample (rows,) int64, -1 where unknown, and the categories' names.

    A field of the store, else a column of its groups. GdeError when there is neither.
    """
    if name != "x" and name in store.fields:
        names = (store.meta.get("categories") or {}).get(name)
        values = np.asarray(store.fields[name])
        if names is None:
            found, place = np.unique(values, return_inverse=True)
            return place.astype(np.int64), [str(v) for v in found]
        return values.astype(np.int64), [str(n) for n in names]
    if name not in store.groups:
        known = [*(f for f in store.fields if f != "x"), *store.groups.columns]
        raise bad(store.path, f"no {name!r}", f"one of {', '.join(known)}", "name an annotation of the samples")
    column = store.groups[name]
    text = column.astype(str).where(column.notna())
    code, names = pd.factorize(text, sort=True)
    return np.repeat(code.astype(np.int64), store.sizes)[_by_row(store)], [str(n) for n in names]


def numbers(store: SetStore, name: str) -> np.ndarray:
    """A number of every sample (rows,) float64. GdeError when the store has no such field."""
    if name == "x" or name not in store.fields:
        known = [f for f in store.fields if f != "x"]
        raise bad(store.path, f"no field {name!r}", f"one of {', '.join(known) or 'none'}", "prepare the store with it")
    return np.asarray(store.fields[name], dtype=float)


def rows_of(store: SetStore, group: int) -> slice:
    """The rows of one group."""
    return slice(int(store.starts[group]), int(store.starts[group] + store.sizes[group]))


def composition(store: SetStore, groups: np.ndarray, code: np.ndarray, n: int) -> np.ndarray:
    """Share of each of n categories (g, n) in the groups' samples; zeros where none is known."""
    out = np.zeros((len(groups), n))
    for i, g in enumerate(groups):
        own = code[rows_of(store, g)]
        out[i] = np.bincount(own[own >= 0], minlength=n)
    return out / np.maximum(out.sum(1, keepdims=True), 1)


def _by_row(store: SetStore) -> np.ndarray:
    """Order that turns values listed group by group into values listed by row."""
    return np.argsort(
        np.concatenate([np.arange(rows_of(store, g).start, rows_of(store, g).stop) for g in range(len(store))])
    )
