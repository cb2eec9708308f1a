"""Clones seen early and late: their sets of cells, embeddings and pseudobulks; some clones are held out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gde.embed import encode_sets
from gde.errors import bad
from gde.sets.store.annotations import rows_of

CLONE, DAY, CELL_TYPE, WELL = "clone", "day", "cell_type", "well"
ROWS_AT_ONCE = 65_536


@dataclass(frozen=True)
class Clones:
    """Clones (c,) that have cells in two sets; rows of the store of each, early and late; whether each is tested."""

    names: np.ndarray
    early: list[np.ndarray]
    late: list[np.ndarray]
    tested: np.ndarray

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class View:
    """One description of both sides of every clone: early (c, p), late (c, q), which clones are tested (c,) bool."""

    early: np.ndarray
    late: np.ndarray
    tested: np.ndarray


def clones_of(store: Any, early: Sequence[float], late: Sequence[float]) -> Clones:
    """The clones with cells on some day of `early` and of `late`; all cells of those days are one set each.

    GdeError for a store without clones and days, and days that it does not have.
    """
    for name in (CLONE, DAY):
        if name not in store.groups:
            known = ", ".join(store.groups.columns)
            raise bad(store.path, f"groups without {name!r}", f"clones and days among {known}", "check the data set")
    day = store.groups[DAY].astype(float).to_numpy()
    for key, days in (("early", early), ("late", late)):
        if not np.isin(day, days).any():
            found = f"none of {list(days)} among the days {sorted(set(day.tolist()))}"
            raise bad(f"evaluation.{key}", found, "a day of the data", "correct it")
    return paired(store, lambda g: day[g] in early, lambda g: day[g] in late)


def paired(store: Any, first: Callable[[int], bool], second: Callable[[int], bool]) -> Clones:
    """The clones of which some group g satisfies `first` and another `second`."""
    clone, split = (store.groups[c].astype(str).to_numpy() for c in (CLONE, "split"))
    sides: tuple[dict, dict] = ({}, {})
    part = dict(zip(clone, split, strict=True))
    for g in range(len(store)):
        for side, wanted in zip(sides, (first, second), strict=True):
            if wanted(g):
                side.setdefault(clone[g], []).append(np.r_[rows_of(store, g)])
    names = [c for c in sorted(sides[0]) if c in sides[1]]
    early, late = ([np.concatenate(side[c]) for c in names] for side in sides)
    return Clones(np.array(names, dtype=object), early, late, np.array([part[c] == "test" for c in names], dtype=bool))


def sisters_of(store: Any, late: Sequence[float], wells: np.ndarray) -> Clones:
    """The clones whose late cells lie in two wells or more: `early` = those of the well with most, `late` = the others.

    wells (rows,) : code of each sample's well, -1 unknown.
    """
    found: list[tuple[str, np.ndarray, np.ndarray, bool]] = []
    every = clones_of(store, late, late)
    for name, rows, tested in zip(every.names, every.late, every.tested, strict=True):
        known = rows[wells[rows] >= 0]
        code, count = np.unique(wells[known], return_counts=True)
        if len(code) > 1:
            own = wells[known] == code[count.argmax()]
            found.append((name, known[own], known[~own], bool(tested)))
    names, first, second, tested = (list(v) for v in zip(*found, strict=True)) if found else ([], [], [], [])
    return Clones(np.array(names, dtype=object), first, second, np.array(tested, dtype=bool))


def embedded(model: Any, store: Any, sets: Sequence[np.ndarray]) -> np.ndarray:
    """Embedding (c, l) of each set of rows, float64."""
    order = np.argsort([len(rows) for rows in sets], kind="stable")
    z = encode_sets(model, (samples(store, sets[i]) for i in order), ROWS_AT_ONCE)
    return z[np.argsort(order)].astype(float)


def samples(store: Any, rows: np.ndarray) -> np.ndarray:
    """Samples (n, d) float32 of some rows."""
    return np.asarray(store.x[np.sort(rows)], dtype=np.float32)


def pseudobulk(store: Any, sets: Sequence[np.ndarray]) -> np.ndarray:
    """Mean (c, d) of each set of rows, float64."""
    return np.stack([samples(store, rows).mean(0, dtype=float) for rows in sets])


def shares(sets: Sequence[np.ndarray], code: np.ndarray, n: int) -> np.ndarray:
    """Share (c, n) of each category in each set of rows; zeros where none is known."""
    counts = np.stack([np.bincount(code[rows][code[rows] >= 0], minlength=n) for rows in sets]).astype(float)
    return counts / counts.sum(1, keepdims=True).clip(min=1)
