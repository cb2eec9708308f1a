"""Annotations: what a set store says about single samples: the type, batch, well or place of each cell."""

import numpy as np
import pandas as pd

from gde.errors import bad
from gde.sets.store.set_store import SetStore


def has(store: SetStore, name: str) -> bool:
    """Whether samples have the annotation `name`, each its own or all of a group the same."""
    return name in store.groups or name in _own(store)


def codes(store: SetStore, name: str) -> tuple[np.ndarray, list[str]]:
    """Code of every sample (rows,) int64, -1 where unknown, and the categories' names, sorted.

    A column of the store's samples, else of its groups. GdeError when there is neither.
    """
    own = _own(store)
    if name not in own and name not in store.groups:
        known = ", ".join(dict.fromkeys([*own.columns, *store.groups.columns]))
        raise bad(store.path, f"no {name!r}", f"one of {known}", "name an annotation of the samples")
    column = own[name] if name in own else store.groups[name]
    code, names = pd.factorize(column.astype(str).where(column.notna()), sort=True)
    if name not in own:
        code = np.repeat(code, store.sizes)[_by_row(store)]
    return code.astype(np.int64), [str(n) for n in names]


def numbers(store: SetStore, name: str) -> np.ndarray:
    """A number of every sample (rows,) float64. GdeError when the samples have no such column."""
    if name not in store.samples:
        found, known = f"no {name!r}", f"one of {', '.join(store.samples.columns)}"
        raise bad(store.path, found, known, "name a column of the samples")
    return store.samples[name].to_numpy(dtype=float)


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


def _own(store: SetStore) -> pd.DataFrame:
    """The store's table of samples, an empty one where it has none."""
    return store.samples if (store.path / "samples.parquet").is_file() else pd.DataFrame()


def _by_row(store: SetStore) -> np.ndarray:
    """Order that turns values listed group by group into values listed by row."""
    return np.argsort(np.concatenate([np.r_[rows_of(store, g)] for g in range(len(store))]))
