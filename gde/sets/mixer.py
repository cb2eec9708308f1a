"""New sets made by mixing groups."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from gde.errors import bad
from gde.sets.permute import without_replacement
from gde.sets.store.columns import joint, numbers

if TYPE_CHECKING:
    from gde.sets.store.set_store import SetStore


class DirichletMixer:
    """Mixtures of `k` distinct groups with weights ~ Dirichlet(alpha, ..., alpha); each sample ~ Cat(weights)."""

    def __init__(self, k: int = 3, alpha: float = 1.0):
        if k < 1:
            raise bad("mixer.k", str(k), "an integer >= 1", "set how many groups make one set")
        if not 0 < alpha < float("inf"):
            raise bad("mixer.alpha", str(alpha), "a number > 0", "1 draws weights uniformly from the simplex")
        self.k, self.alpha = int(k), float(alpha)

    def __call__(self, groups: int, b: int, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Plan b sets of n samples from `groups` groups.

        returns groups (b, k) int64, distinct within a set, and the component (b, n) int64 in 0..k-1 of every sample,
        so the counts of a set are Multinomial(n, weights). GdeError when there are fewer than k groups.
        """
        if groups < self.k:
            raise bad("mixer.k", str(self.k), f"at most the number of groups, {groups}", "mix fewer groups")
        chosen = without_replacement(np.full(b, groups), np.full(b, self.k), rng).reshape(b, self.k)
        if self.k == 1:
            return chosen, np.zeros((b, n), np.int64)
        bounds = rng.dirichlet(np.full(self.k, self.alpha), b).cumsum(1)
        u = rng.random((b, n), dtype=np.float32)
        component = np.zeros((b, n), np.int64)
        for j in range(self.k - 1):  # the inverse of the cumulative weights, without a search for each sample
            component += u >= bounds[:, j : j + 1]
        return chosen, component


class NeighbourMixer:
    """A group with those beside it: `k` groups in a row along a numeric column, in equal shares.

    along : the column of the order; groups of equal value are one place in it, and one of them is drawn.
    within : columns whose values neighbours share. Neighbours are of the same split; at the ends of the order there
    are fewer. k : odd, the group in the middle.
    """

    def __init__(self, along: str, within: Iterable[str] = (), k: int = 3):
        if k < 1 or k % 2 == 0:
            raise bad("mixer.k", str(k), "an odd number >= 1", "a group stands in the middle of its neighbours")
        self.along, self.within, self.k = along, list(within), int(k)

    def of(self, store: "SetStore", groups: np.ndarray) -> "Neighbours":
        """The neighbourhoods of `groups` (G,), row positions of the store. GdeError for columns that it lacks."""
        value = numbers(store, self.along, "mixer.along").to_numpy()[groups]
        keys = joint(store, self.within, "mixer.within").iloc[groups].tolist()
        if np.isnan(value).any():
            name = store.groups["group"].iloc[groups[np.isnan(value).argmax()]]
            raise bad(
                "mixer.along", f"no {self.along!r} for group {name!r}", "a number for each", "name another column"
            )
        places: dict[tuple, list[int]] = {}
        for g in np.argsort(value, kind="stable"):
            places.setdefault((keys[g], value[g]), []).append(int(g))
        rows: dict[tuple, list[list[int]]] = {}
        for (key, _), members in places.items():
            rows.setdefault(key, []).append(members)
        return Neighbours(list(rows.values()), len(groups), self.k)


class Neighbours:
    """What a NeighbourMixer draws from: rows of places, each the numbers of one or several groups."""

    def __init__(self, rows: list[list[list[int]]], groups: int, k: int):
        self.k = 1  # groups that there must be
        self.beside = (k - 1) // 2
        self.row = np.zeros(groups, np.int64)  # the place of each group, counted over all rows
        flat = [members for row in rows for members in row]
        for place, members in enumerate(flat):
            self.row[members] = place
        self.count = np.array([len(members) for members in flat])
        self.first = np.cumsum(self.count) - self.count
        self.member = np.concatenate(flat)
        stops = np.cumsum([len(row) for row in rows])
        self.low, self.high = (
            np.repeat(ends, [len(row) for row in rows]) for ends in (stops - np.diff(stops, prepend=0), stops)
        )

    def __call__(self, groups: int, b: int, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Plan b sets of n samples: groups (b, k), the middle one first, uniform over all; component (b, n) int64.

        Each group that is there has n / their number of the samples, in random order; what is left over goes to the
        middle first. A place without a group repeats the middle, and no sample is from it.
        """
        centre = (rng.random(b) * groups).astype(np.int64)
        place = self.row[centre]
        step = np.array([s for distance in range(1, self.beside + 1) for s in (-distance, distance)], np.int64)
        near = place[:, None] + step  # (b, k - 1)
        there = (near >= self.low[place, None]) & (near < self.high[place, None])
        near = np.where(there, near, place[:, None])
        member = self.member[self.first[near] + (rng.random(near.shape) * self.count[near]).astype(np.int64)]
        chosen = np.concatenate([centre[:, None], np.where(there, member, centre[:, None])], 1)
        real = np.concatenate([np.ones((b, 1), bool), there], 1)
        order = np.argsort(~real, axis=1, kind="stable")  # the columns that are there first
        turn = np.arange(n) % real.sum(1)[:, None]  # (b, n)
        return chosen, rng.permuted(np.take_along_axis(order, turn, 1), axis=1)
