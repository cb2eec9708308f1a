"""Groups in the order of a number, such as quantiles of expression, and held-out sets made of neighbouring ones."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from gde.errors import bad
from gde.evaluate.shared.rows import drawn, rows_in
from gde.sets.store.columns import numbers

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


@dataclass(frozen=True)
class WindowSets:
    """Windows (s,) with what is known of each: of its training and its held-out sequences, `train` and `test`, the
    tokens (n, L) and the embedding (s, l), NaN of empty ones; the mean measured value (s,) of the held-out ones; and
    the names of the conditions."""

    windows: list[Window]
    tokens: dict[str, list[np.ndarray]]
    z: dict[str, np.ndarray]
    truth: np.ndarray
    names: list[str]

    def __len__(self) -> int:
        return len(self.windows)

    @property
    def condition(self) -> np.ndarray:
        """Number (s,) of each set's condition."""
        return np.array([w.condition for w in self.windows])

    @property
    def value(self) -> np.ndarray:
        """Mean place (s,) along the order."""
        return np.array([w.value for w in self.windows])

    @property
    def top(self) -> np.ndarray:
        """Whether (s,) a set is held out whole."""
        return np.array([w.top for w in self.windows])

    @property
    def label(self) -> list[str]:
        """Name of each set's condition."""
        return [self.names[w.condition] for w in self.windows]

    @property
    def part(self) -> np.ndarray:
        """How each set (s,) is held out."""
        return np.where(self.top, "held out whole", "held out by sequence")

    def below(self, i: int, most: int) -> np.ndarray:
        """The highest sets that train, at most `most`, of the condition of set i."""
        trained = np.flatnonzero((self.condition == self.condition[i]) & ~self.top)
        return trained[np.argsort(self.value[trained])[-most:]]


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
