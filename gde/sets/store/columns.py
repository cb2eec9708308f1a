"""Columns of a store's groups, as text, numbers and keys, with errors that name the setting that asked for them."""

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gde.errors import bad

if TYPE_CHECKING:
    from gde.sets.store.set_store import SetStore

SHOWN = 8  # values of a column listed in a message


def column(store: "SetStore", name: str, key: str) -> pd.Series:
    """A column of the groups as text, missing values kept missing. GdeError, for the config's `key`, if unknown."""
    columns = [c for c in store.groups.columns if c not in ("start", "stop", "split")]
    if name not in columns:
        near = difflib.get_close_matches(name, columns, 1)
        hint = f"did you mean {near[0]!r}?" if near else "add it to dataset.labels"
        raise bad(key, repr(name), f"a column of the groups: {', '.join(columns)}", hint)
    values = store.groups[name]
    return values.astype(str).where(values.notna()).astype(object)


def numbers(store: "SetStore", name: str, key: str) -> pd.Series:
    """A column of the groups as float64. GdeError if unknown or not numeric."""
    names = column(store, name, key)
    values = pd.to_numeric(names, errors="coerce").astype(float)
    wrong = names[values.isna() & names.notna()]
    if len(wrong):
        found = f"{name!r} with value {wrong.iloc[0]!r}"
        raise bad(key, found, "numbers", "write the order as numbers into a column, e.g. days")
    return values


def joint(store: "SetStore", within: Iterable[str], key: str) -> pd.Series:
    """The values of several columns together, one hashable key per group. GdeError, for the config's `key`."""
    names = [column(store, name, key) for name in within]
    values = zip(*names, strict=True) if names else [()] * len(store)
    return pd.Series(list(values), store.groups.index, dtype=object)


def listed(values: Iterable[Any]) -> str:
    """'a', 'b', 'c' and 12 more."""
    values = np.asarray(values).tolist()
    text = ", ".join(map(repr, values[:SHOWN])) or "no value"
    return text if len(values) <= SHOWN else f"{text} and {len(values) - SHOWN} more"
