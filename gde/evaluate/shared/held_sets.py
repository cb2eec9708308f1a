"""Held-out sets of sequences: the rows each is embedded from, and those that it is compared with."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from gde.evaluate.shared.rows import rows_of


@dataclass(frozen=True)
class Held:
    """A held-out set: its row in the store's groups, and numbers of rows of the store, disjoint: `context`, what it is
    embedded from, and `target`, what is compared and scored."""

    group: int
    context: np.ndarray
    target: np.ndarray


def held_sets(store: Any, most: int, sets: int, rng: np.random.Generator) -> tuple[list[Held], int]:
    """At most `sets` held-out sets, at random, and how many there are. Context and target have at most `most` rows."""
    trained, found = training_groups(store), []
    for g in np.flatnonzero(store.groups["split"] == "test"):
        context, rows = apart(store, int(g), trained)
        if len(context):
            found.append(Held(int(g), context[:most], rows[:most]))
    chosen = np.sort(rng.permutation(len(found))[:sets])
    return [found[i] for i in chosen], len(found)


def training_groups(store: Any) -> dict[str, int]:
    """From the name of a group to the number of its training part, of those that have one."""
    return {store.groups["group"][g]: int(g) for g in store.select(split="train")}


def apart(store: Any, g: int, trained: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """Rows that a held-out group g is embedded from, and those that it is compared with.

    The first are the group's training sequences, where it has some (sequences are held out), else the first half of the
    held-out ones: a store keeps the sequences of a group in random order.
    """
    rows, source = rows_of(store, g), trained.get(store.groups["group"][g])
    return (rows[: len(rows) // 2], rows[len(rows) // 2 :]) if source is None else (rows_of(store, source), rows)
