"""Statistics of methylation reads: what methylation reads say: how much is methylated, how alike the CpGs of one read
are, which patterns they show."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from gde.sets.types.alphabet import ALPHABETS

C, T = ALPHABETS["dna"].encode("CT")
N = ALPHABETS["dna"].encode("N")[0]
FEWEST = 3  # known CpGs of a read whose agreement is counted
PATTERN = 4  # known CpGs of a pattern, as in methylation entropy (Xie et al. 2011)
CHUNK = 65_536


@dataclass(frozen=True)
class Patterns:
    """Reads (n,): CpGs that are methylated and that are known, the first PATTERN known ones as a number (-1: fewer),
    the weight, and whether a read has the form that reads have."""

    methylated: np.ndarray
    known: np.ndarray
    pattern: np.ndarray
    weight: np.ndarray
    valid: np.ndarray

    def __len__(self) -> int:
        return len(self.known)

    def take(self, index: np.ndarray) -> "Patterns":
        return Patterns(*(getattr(self, key)[index] for key in self.__dataclass_fields__))

    @property
    def rate(self) -> float | None:
        """Share of the known CpGs that are methylated; None where none is known."""
        known = (self.weight * self.known).sum()
        return float((self.weight * self.methylated).sum() / known) if known else None

    @property
    def concordance(self) -> float | None:
        """Share of the reads of FEWEST or more known CpGs in which all are alike; None without such reads."""
        told = self.known >= FEWEST
        alike = (self.methylated == 0) | (self.methylated == self.known)
        return float(self.weight[told & alike].sum() / self.weight[told].sum()) if told.any() else None

    @property
    def entropy(self) -> float | None:
        """Entropy of the patterns of PATTERN CpGs, in bits for each CpG: 0 to 1; None without such reads."""
        told = self.pattern >= 0
        if not told.any():
            return None
        share = np.bincount(self.pattern[told], self.weight[told])
        share = share[share > 0] / share.sum()
        return float(-(share * np.log2(share)).sum() / PATTERN)

    def levels(self, bins: int) -> np.ndarray:
        """Share (bins,) of the reads by the part of their CpGs that is methylated."""
        told = self.known > 0
        place = np.minimum((self.methylated[told] * bins) // self.known[told], bins - 1)
        share = np.bincount(place, self.weight[told], minlength=bins)
        return share / max(share.sum(), 1e-300)


def patterns(tokens: np.ndarray, context: int, weight: np.ndarray | None = None) -> Patterns:
    """Of reads as tokens (n, L), whose CpGs stand behind `context` tokens; weight (n,), 1 where there is none."""
    cpgs = tokens[:, context:]
    methylated, known = cpgs == C, (cpgs == C) | (cpgs == T)
    rank = known.cumsum(1, dtype=np.int16)
    bits = (methylated & (rank <= PATTERN)) * (1 << np.minimum(np.maximum(rank, 1) - 1, PATTERN - 1))
    pattern = np.where(rank[:, -1] >= PATTERN, bits.sum(1), -1)
    form = ((cpgs == 0) | known | (cpgs == N)).all(1) & known.any(1) & (tokens[:, :context] != 0).all(1)
    weight = np.ones(len(tokens)) if weight is None else np.asarray(weight, dtype=float)
    return Patterns(methylated.sum(1), known.sum(1), pattern, weight, form)


def join(parts: list[Patterns]) -> Patterns:
    """All of them together."""
    return Patterns(*(np.concatenate([getattr(p, key) for p in parts]) for key in Patterns.__dataclass_fields__))


def chunks(store: Any, group: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Tokens, weights and numbers of the first CpG of a group's reads, some at a time."""
    numbers = store.field("cpg")[store.starts[group] : store.starts[group] + store.sizes[group]]
    for start in range(0, int(store.sizes[group]), CHUNK):
        part = slice(start, start + CHUNK)
        tokens = store.read(group, part)
        weight = store.read_weights(group, part)
        yield tokens, np.ones(len(tokens)) if weight is None else weight, np.asarray(numbers[part])


def group_patterns(store: Any, group: int) -> Patterns:
    """`patterns` of all reads of a group."""
    context = store.meta["context"]
    return join([patterns(tokens, context, weight) for tokens, weight, _ in chunks(store, group)])


def add_profile(
    profile: np.ndarray, tokens: np.ndarray, weight: np.ndarray, number: np.ndarray, context: int, width: int
):
    """Count methylated and known CpGs by region: profile (2, regions) is added to.

    A region is `width` CpGs in a row; where a genome has more regions than are kept, some share a place.
    """
    cpgs = tokens[:, context:]
    region = (number[:, None] - 1 + np.arange(cpgs.shape[1])) // width % profile.shape[1]
    for row, chosen in ((0, cpgs == C), (1, (cpgs == C) | (cpgs == T))):
        share = np.broadcast_to(weight[:, None], cpgs.shape)[chosen]
        profile[row] += np.bincount(region[chosen], share, minlength=profile.shape[1])
