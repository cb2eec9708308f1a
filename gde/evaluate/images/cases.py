"""Held-out sets of images: mixtures of classes, or groups as they are; what is embedded, and what is compared."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from gde.errors import bad
from gde.evaluate.shared.columns import group_names
from gde.evaluate.shared.held_sets import apart, training_groups
from gde.evaluate.shared.simplex_grid import STEPS, simplex_grid
from gde.sets.random import seed_of

MIXED = 3  # classes of a mixture


@dataclass(frozen=True)
class Case:
    """A held-out set.   name : for people.   share (k,) : of each test group in it.   context, target : rows of the
    store, what is embedded and what is compared; drawn from the test groups with replacement in mixtures, which have
    more samples than there are images, else disjoint."""

    name: str
    share: np.ndarray
    context: np.ndarray
    target: np.ndarray


def mixtures(store: Any, shares: np.ndarray, groups: np.ndarray, points: int, target: int, *, seed: int) -> list[Case]:
    """Mixtures of the test groups (k,), shares (c, k): points images of each to embed, and target others."""
    names, out = group_names(store)[groups], []
    for i, share in enumerate(shares):
        rng = np.random.default_rng(seed_of(seed, "evaluate/mixture", str(i)))
        parts = [_draw(store, share, groups, n, rng) for n in (points, target)]
        most = [c for c in np.argsort(-share, kind="stable") if share[c] > 0]
        name = ", ".join(f"{names[c]} {100 * share[c]:.0f} %" for c in most)
        out.append(Case(name, share, *parts))
    return out


def _draw(store: Any, share: np.ndarray, groups: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    count = rng.multinomial(n, share / share.sum())
    rows = [store.starts[g] + rng.integers(store.sizes[g], size=m) for g, m in zip(groups, count, strict=True) if m]
    return rng.permutation(np.concatenate([np.zeros(0, np.int64), *rows]))  # any first ones are of the mixture, too


def random_shares(classes: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """n random mixtures (n, classes) of MIXED classes, or of all where there are fewer; uniform on their simplex."""
    share = np.zeros((n, classes))
    for row in share:
        chosen = rng.choice(classes, min(MIXED, classes), replace=False)
        row[chosen] = rng.dirichlet(np.ones(len(chosen)))
    return share


def grid_shares(classes: int, three: np.ndarray) -> np.ndarray:
    """The 55 points of the grid of the simplex of three classes, (55, classes)."""
    share = np.zeros((len(simplex_grid()), classes))
    share[:, three] = simplex_grid() / STEPS
    return share


def groups_apart(store: Any, points: int, target: int, most: int, rng: np.random.Generator) -> list[Case]:
    """At most `most` test groups, each in two parts (`gde.evaluate.shared.held_sets.apart`)."""
    trained, names = training_groups(store), group_names(store)
    groups = store.select(split="test")
    out = []
    for i, g in enumerate(groups):
        context, rows = apart(store, int(g), trained)
        if len(context) > 1 and len(rows) > 1:
            out.append(Case(str(names[g]), np.eye(len(groups))[i], context[:points], rows[:target]))
    if len(out) < 2:
        raise bad(store.path, f"{len(out)} test groups of four images or more", "two or more", "hold out more groups")
    return [out[i] for i in np.sort(rng.permutation(len(out))[:most])]
