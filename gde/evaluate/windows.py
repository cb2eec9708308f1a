"""Groups in the order of a number, such as quantiles of expression, and held-out sets made of neighbouring ones."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from gde.errors import bad
from gde.sets.columns import numbers

COLUMNS = ("quantile", "bin")  # that order groups, where evaluation.along names none
FEWEST = 2  # sequences of a set


@dataclass(frozen=True)
class Window:
    """Neighbouring groups as one set.

    condition : number of the value of evaluation.within.   value : mean place along the order, of the held-out rows.
    top : whether nothing of these groups trains.   train, test : rows of the store, at most so many.
    """

    condition: int
    value: float
    top: bool
    train: np.ndarray
    test: np.ndarray


def order_of(store: Any, along: str | None) -> np.ndarray:
    """Place (g,) of every group in the order. GdeError where no such column is."""
    name = along or next((c for c in COLUMNS if c in store.groups), None)
    if name is None:
        known = ", ".join(store.groups.columns)
        raise bad("evaluation.along", "groups without an order", f"one of {known}", "name the column that orders them")
    value = numbers(store, name, "evaluation.along").to_numpy(float)
    if not np.isfinite(value).all():
        group = store.groups["group"][~np.isfinite(value)].iloc[0]
        raise bad("evaluation.along", f"no {name!r} of group {group!r}", "a number for each", "name another column")
    return value


def conditions_of(store: Any, within: str | None) -> tuple[np.ndarray, list[str]]:
    """Condition (g,) of every group as a number, and the names; one, called `all`, without such a column."""
    if within is None or within not in store.groups:
        return np.zeros(len(store), np.int64), ["all"]
    names = store.groups[within].astype(str)
    known = sorted(set(names))
    return names.map({name: i for i, name in enumerate(known)}).to_numpy(np.int64), known


def windows(
    store: Any, value: np.ndarray, condition: np.ndarray, size: int, most: int, rng: np.random.Generator
) -> tuple[list[Window], int]:
    """Sets of `size` neighbouring places each, in order, that do not overlap; those of places that train and of places
    that do not are apart. Second: how many had fewer than two held-out rows, and are left out."""
    split = store.groups["split"].to_numpy()
    out, small = [], 0
    for c in np.unique(condition):
        trained = np.unique(value[(condition == c) & (split == "train")])
        others = np.setdiff1d(value[condition == c], trained)
        above = others[others > trained.max()] if len(trained) else others
        for places, top in ((trained, False), (above, True)):
            for start in range(0, len(places), size):
                own = (condition == c) & np.isin(value, places[start : start + size])
                rows = {part: rows_in(store, own & (split == part)) for part in ("train", "test")}
                if len(rows["test"]) < FEWEST:
                    small += 1
                    continue
                tested = own & (split == "test")
                place = np.average(value[tested], weights=store.sizes[tested])
                kept = {part: drawn(r, most, rng) for part, r in rows.items()}
                out.append(Window(int(c), float(place), top, kept["train"], kept["test"]))
    return out, small


def rows_in(store: Any, wanted: np.ndarray) -> np.ndarray:
    """Rows of the store, sorted, of the groups (g,) bool that are wanted."""
    chosen = np.flatnonzero(wanted)
    ranges = [np.arange(store.starts[g], store.starts[g] + store.sizes[g]) for g in chosen]
    return np.concatenate([np.zeros(0, np.int64), *ranges])


def drawn(rows: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    """All rows, or a random `most` of them, sorted."""
    return rows if len(rows) <= most else np.sort(rng.choice(rows, most, replace=False))


def tokens_of(store: Any, rows: np.ndarray) -> np.ndarray:
    """Tokens (n, L) uint8 at rows (n,)."""
    return store.gather(rows[None])[0][0].numpy()
