"""Columns of a store's groups as an evaluation reads them: labels, names, and which groups are held out."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from gde.errors import bad


@dataclass(frozen=True)
class Labelled:
    """Groups (g,): the label of each, the unit that it is a part of (such as a donor), and whether it is tested."""

    names: np.ndarray
    unit: np.ndarray
    tested: np.ndarray


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


def first_label(store: Any) -> str | None:
    """The first column of dataset.labels, None without any."""
    return next(iter(store.meta.get("labels") or ()), None)


def group_names(store: Any) -> np.ndarray:
    """Names (g,) of the groups as text; a group that is split by sample has a row in each split."""
    return store.groups["group"].astype(str).to_numpy()


def tested_groups(store: Any) -> np.ndarray:
    """Whether a group is held out to test (g,) bool."""
    return (store.groups["split"] == "test").to_numpy()
