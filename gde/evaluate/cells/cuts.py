"""Cuts: held-out groups cut at random into disjoint sub-sets, again and again."""

from dataclasses import dataclass

import numpy as np

from gde.evaluate.shared.pairs import Held
from gde.sets.random import seed_of

SMALLEST = 3  # samples of a sub-set: of one or two, a spread says nothing
LARGEST = 64  # of larger ones every description tells apart what differs at all


@dataclass(frozen=True)
class SubSets:
    """Disjoint sub-sets: samples of each (n, d), group (s,) place in the pairs, target (s,) bool."""

    parts: list[np.ndarray]
    group: np.ndarray
    target: np.ndarray

    @property
    def sizes(self) -> np.ndarray:
        """Samples (s,) of each."""
        return np.array([len(part) for part in self.parts])

    def padded(self) -> tuple[np.ndarray, np.ndarray]:
        """x (s, n, d) float32 with zeros behind, mask (s, n)."""
        sizes = self.sizes
        mask = np.arange(sizes.max()) < sizes[:, None]
        x = np.zeros((*mask.shape, self.parts[0].shape[1]), dtype=np.float32)
        x[mask] = np.concatenate(self.parts)
        return x, mask


def size_of(held: Held, set_size: int) -> int:
    """Samples of a sub-set: half the median target's, so that most groups give several; SMALLEST to LARGEST, and not
    more than the model was trained with."""
    half = int(np.median([len(p.target) for p in held.pairs])) // 2
    return max(SMALLEST, min(set_size, LARGEST, half))


def cut(held: Held, seed: int, number: int, *, repeats: int, size: int) -> SubSets:
    """Cut `number`: at most `repeats` disjoint sub-sets of `size` samples of every context and of every target.

    A smaller one of SMALLEST samples or more is one sub-set; one below that is not used.
    """
    parts, group, target = [], [], []
    for k, pair in enumerate(held.pairs):
        rng = np.random.default_rng(seed_of(seed, "evaluate/cut", pair.group, str(number)))
        for is_target, samples in ((False, pair.context), (True, pair.target)):
            if len(samples) < SMALLEST:
                continue
            for piece in np.array_split(rng.permutation(len(samples)), max(1, min(repeats, len(samples) // size))):
                parts.append(samples[piece[:size]])
                group.append(k)
                target.append(is_target)
    return SubSets(parts, np.array(group, dtype=int), np.array(target, dtype=bool))
