"""Held-out samples of each group, beside the samples the model is given as context."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from gde.errors import bad
from gde.sets.random import seed_of

MAX_GROUPS = 200
FEWEST = 2  # groups
MAX_CONTEXT = 10_000
MAX_TARGET = 1_000  # exact OT costs about the cube


@dataclass(frozen=True)
class Pair:
    """One group: `context` (m, d) is embedded, `target` (n, d) is what generated samples are compared with."""

    group: str
    row: int
    context: np.ndarray
    target: np.ndarray


@dataclass(frozen=True)
class Held:
    """Pairs, the groups left out for want of samples, and whether a group's context was trained on."""

    pairs: list[Pair]
    left_out: list[str]
    seen: bool


def held_out_pairs(store: Any, seed: int) -> Held:
    """Context and target of every test group, at least two samples each.

    Split by sample: context = the group's training and validation samples, target = its test samples.
    Otherwise: an unseen group's samples, cut at random into two halves.
    At most MAX_GROUPS groups (a seeded choice), MAX_CONTEXT and MAX_TARGET samples. GdeError when fewer than two
    groups have enough samples.
    """
    seen = store.meta["split"]["by"] == "sample"
    rows = store.select(split="test")
    names = store.groups["group"].to_numpy()
    known = np.concatenate([store.select(split="train"), store.select(split="validation")])
    parts: dict[str, list[int]] = {}
    for g in known if seen else ():
        parts.setdefault(names[g], []).append(int(g))
    order = np.random.default_rng(seed_of(seed, "evaluate/groups")).permutation(len(rows))
    rows, pairs, left_out = rows[np.sort(order[:MAX_GROUPS])], [], []
    for row in map(int, rows):
        rng = np.random.default_rng(seed_of(seed, "evaluate/pairs", names[row]))
        own = _take(store.read(row), MAX_CONTEXT + MAX_TARGET, rng)
        if seen:
            context = [_take(store.read(g), MAX_CONTEXT, rng) for g in parts.get(names[row], ())]
            context = np.concatenate(context) if context else own[:0]
            target = own
        else:
            context, target = own[: (len(own) + 1) // 2], own[(len(own) + 1) // 2 :]
        if min(len(context), len(target)) < 2:
            left_out.append(names[row])
        else:
            context, target = _take(context, MAX_CONTEXT, rng), target[:MAX_TARGET]
            pairs.append(Pair(names[row], row, context, target))
    if len(pairs) < FEWEST:
        found = f"{len(pairs)} test groups with two samples to give and two to compare"
        remedy = "set dataset.split: {by: sample} or a larger test fraction, and prepare again"
        raise bad(store.path, found, "at least two", remedy)
    return Held(pairs, left_out, seen)


def large_enough(store: Any) -> int:
    """Test groups that can be cut into two halves of two samples or more."""
    return int((store.sizes[store.select(split="test")] >= 4).sum())


def _take(x: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """At most n rows of x in random order, flattened to (n, d) float32."""
    index = rng.permutation(len(x))[:n]
    return np.ascontiguousarray(x[index], dtype=np.float32).reshape(len(index), -1)
