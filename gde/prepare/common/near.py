"""Splits that keep near copies together: a sequence that trained tells most of one that differs from it in few tokens,
so both are in one split. In random libraries there are none, and nothing is changed."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gde.prepare.common.hashing import sequence_hash
from gde.sets.near_copies import clusters
from gde.sets.types.alphabet import Alphabet

log = logging.getLogger(__name__)
SAMPLE = 4096  # sequences, those that hash lowest, among which near copies are looked for before they are among all


class Sample:
    """The sequences of lowest hash of those that are added, at most SAMPLE different ones; none without `identity`."""

    def __init__(self, identity: float | None, alphabet: Alphabet):
        self.identity, self.alphabet = identity, alphabet
        self.tokens, self.hashes = np.zeros((0, 1), np.uint8), np.zeros(0, np.uint64)

    def add(self, tokens: np.ndarray, hashes: np.ndarray) -> None:
        """Tokens (m, L) uint8 of sequences with the hashes (m,)."""
        if self.identity is None:
            return
        if len(self.hashes) == SAMPLE:
            low = hashes < self.hashes[-1]
            tokens, hashes = tokens[low], hashes[low]
        hashes, first = np.unique(np.concatenate([self.hashes, hashes]), return_index=True)
        self.tokens, self.hashes = stacked([self.tokens, tokens])[first[:SAMPLE]], hashes[:SAMPLE]

    def near(self) -> bool:
        """Whether any two are near copies."""
        if self.identity is None or not len(self.tokens):
            return False
        return int(clusters(self.tokens, self.identity, self.alphabet).max()) + 1 < len(self.tokens)


@dataclass(frozen=True)
class Together:
    """What stands for the hash of a sequence where it has near copies: `cluster` (u,) for `hashes` (u,), which are
    sorted.   sizes : different sequences of each cluster.   n : different sequences in all."""

    hashes: np.ndarray
    cluster: np.ndarray
    sizes: np.ndarray
    n: int

    def __call__(self, hashes: np.ndarray) -> np.ndarray:
        """The number (m,) uint64 that says where sequences with the hashes (m,) belong."""
        if not len(self.hashes):
            return hashes
        at = np.searchsorted(self.hashes, hashes).clip(max=len(self.hashes) - 1)
        return np.where(self.hashes[at] == hashes, self.cluster[at], hashes)

    def meta(self) -> dict[str, int]:
        return counted_near(self.n, self.sizes)

    def tell(self, path: Path | str, identity: float) -> None:
        """A line of the log."""
        log.info("%s: %s", path, told(self.meta(), identity))


def counted_near(n: int, sizes: np.ndarray) -> dict[str, int]:
    """For meta.json: of n different sequences, those in clusters of these sizes, each above 1."""
    largest = int(sizes.max(initial=0))
    return {"sequences": n, "with_near_copies": int(sizes.sum()), "clusters": len(sizes), "largest": largest}


def told(counted: dict[str, int], identity: float) -> str:
    """Near copies in words."""
    return (
        f"{counted['with_near_copies']} of {counted['sequences']} different sequences agree with another at "
        f"{100 * identity:g} % of their positions or more: {counted['clusters']} clusters, the largest of "
        f"{counted['largest']}, are each in one split"
    )


def together(tokens: np.ndarray, hashes: np.ndarray, identity: float, alphabet: Alphabet, seed: int) -> Together:
    """Near copies among sequences of tokens (m, L), whose hashes (m,) tell them apart.

    A cluster's number follows from its sequences alone, in no order, and is as random as a hash.
    """
    hashes, first = np.unique(hashes, return_index=True)
    of = clusters(tokens[first], identity, alphabet)
    size = np.bincount(of)
    least = np.full(len(size), np.iinfo(np.uint64).max, np.uint64)
    np.minimum.at(least, of, hashes)
    number = sequence_hash(least.view(np.uint8).reshape(-1, 8), seed)  # the least of several is no random number
    shared = size[of] > 1
    return Together(hashes[shared], number[of][shared], size[size > 1], len(hashes))


def stacked(parts: Iterable[np.ndarray]) -> np.ndarray:
    """Tokens (m, L) of parts (m_i, L_i), zeros behind the shorter ones."""
    parts = list(parts)
    out = np.zeros((sum(map(len, parts)), max((x.shape[1] for x in parts), default=1)), np.uint8)
    start = 0
    for x in parts:
        out[start : start + len(x), : x.shape[1]] = x
        start += len(x)
    return out
