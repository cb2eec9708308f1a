"""Split: which part of the data trains, which validates, which tests: decided once, from names and a seed."""

import logging
from collections.abc import Mapping, Sequence

import numpy as np

from gde.errors import bad
from gde.sets.random import seed_of

log = logging.getLogger(__name__)
TRAINING = 2  # groups that train at least: of one distribution alone nothing is learned that tells others apart
DEFAULT = {"by": "group", "fractions": [0.7, 0.1, 0.2], "seed": 0}


def shares(n: int, fractions: Sequence[float]) -> tuple[int, int, int]:
    """n >= 3 units cut as (train, validation, test), each at least one, as near to `fractions` as that allows."""
    validation, test = (max(1, round(f * n)) for f in fractions[1:])
    while n - validation - test < 1:
        if validation >= test:
            validation -= 1
        else:
            test -= 1
    return n - validation - test, validation, test


def crossing(columns: Mapping[str, Sequence[str]], parts: Sequence[str]) -> dict[str, dict[str, int]]:
    """Columns (units,) of three values or more, some of which, such as donors, stand on both sides of the split: how
    many values there are, how many do, and how many units that are held out have one that trains.

    parts (units,) : train, validation or test. An empty value is none.
    """
    out = {}
    for name, values in columns.items():
        sides: dict[str, set[bool]] = {}
        for value, part in zip(values, parts, strict=True):
            sides.setdefault(value, set()).add(part == "train")
        both = {value for value, found in sides.items() if value and len(found) == 2}
        held = sum(part != "train" and value in both for value, part in zip(values, parts, strict=True))
        if both and len(sides) > 2:
            out[name] = {"values": len(sides), "on_both_sides": len(both), "held_out": held}
    return out


def tell_crossing(crossed: Mapping[str, Mapping[str, int]], where: str) -> None:
    """A line of the log for each column of `crossing`."""
    for name, found in crossed.items():
        log.info(
            "%s: %d of %d values of %s stand in train and in what is held out; split: {by: %s} keeps them together",
            where, found["on_both_sides"], found["values"], name, name,
        )  # fmt: skip


def check_fractions(fractions: Sequence[float]) -> None:
    """GdeError unless there are three positive numbers with sum 1."""
    if len(fractions) != 3 or min(fractions) <= 0 or abs(sum(fractions) - 1) > 1e-6:
        raise bad(
            "dataset.split.fractions",
            f"{list(fractions)}",
            "three positive numbers (train, validation, test) with sum 1",
            "e.g. [0.7, 0.1, 0.2]",
        )


def split_units(
    units: Sequence[str], fractions: Sequence[float], seed: int, what: str, training: int = 1
) -> dict[str, int]:
    """Unit -> 0, 1 or 2 (place in SPLITS), for distinct `units` called `what` in messages.

    training : units that train at least: TRAINING where a unit is a group, one where it holds several.
    A function of the set of units and the seed, not of their order. GdeError when there are too few.
    """
    check_fractions(fractions)
    names = sorted(set(units))
    if len(names) < training + 2:
        found = f"only one value ('{names[0]}')" if len(names) == 1 else f"{len(names)} values"
        expected = (
            "at least three, one for each of train, validation and test"
            if training == 1
            else f"at least {training + 2}: {training} to train on, and one each to validate and to test"
        )
        raise bad(f"dataset.split.by: {what}", found, expected, "set split: {by: sample} to split inside each group")
    cut = shares(len(names), fractions)
    if cut[0] < training:
        found = f"{list(fractions)}, which leaves {cut[0]} of {len(names)} to train on"
        raise bad("dataset.split.fractions", found, f"{training} or more", "raise the first of them")
    order = np.random.default_rng(seed_of(seed, "split", what)).permutation(len(names))
    place = np.repeat([0, 1, 2], cut)
    return {names[i]: int(p) for i, p in zip(order, place, strict=True)}


def check_training(n: int, where: str, remedy: str) -> None:
    """GdeError unless n, the groups that train, are TRAINING or more."""
    if n < TRAINING:
        found = "no group" if n == 0 else f"{n} group"
        raise bad(where, f"{found} to train on", f"{TRAINING} or more: one tells nothing of how groups differ", remedy)


def split_samples(
    group: np.ndarray,
    names: Sequence[str],
    fractions: Sequence[float],
    seed: int,
    samples: Sequence[str] | None = None,
) -> np.ndarray:
    """Split (N,) int8 of every sample, inside each group; group (N,) int indexes `names`, -1 is left out (-1).

    Each group's permutation has its own seed, so adding a group does not move another's samples.
    samples (N,) : names, whose order decides in the place of the rows': the same file with its rows in another order
    has the same split. Samples of one name keep the order of their rows.
    GdeError names a group of fewer than three samples.
    """
    check_fractions(fractions)
    out = np.full(len(group), -1, dtype=np.int8)
    order = np.argsort(group, kind="stable") if samples is None else np.lexsort((np.asarray(samples, str), group))
    stops = np.searchsorted(group[order], np.arange(len(names)), side="right")
    starts = np.searchsorted(group[order], np.arange(len(names)), side="left")
    for g, (start, stop) in enumerate(zip(starts, stops, strict=True)):
        if stop - start < 3:
            raise bad(
                "dataset.split.by: sample",
                f"{stop - start} samples in group '{names[g]}'",
                "at least 3 in every group",
                "set min_size: 3 or more",
            )
        rng = np.random.default_rng(seed_of(seed, "sample", names[g]))
        place = np.repeat(np.array([0, 1, 2], dtype=np.int8), shares(stop - start, fractions))
        out[rng.permutation(order[start:stop])] = place
    return out
