"""Alignment of a sequence with a reference that it descends from: by k-mers that both have, and properly between them.

Versions of one protein differ in few tokens, insertions and deletions: nearly all of their k-mers of eight tokens are
the reference's own. Where the k-mers leave a gap of other lengths, and where they are too few, Needleman and Wunsch's
alignment with BLOSUM62 decides.
"""

from functools import cached_property
from typing import Any

import numpy as np

from gde.sets.types.alphabet import Alphabet

GAP = 0  # the token of a site that a sequence lacks
K = 8
ANCHORED = 0.5  # share of the reference's k-mers that a sequence must have to be aligned by them
OPEN, EXTEND = -11.0, -1.0  # of gaps, beside BLOSUM62


class Aligner:
    """Sequences laid onto the sites of a reference (R,) of tokens."""

    def __init__(self, reference: np.ndarray, alphabet: Alphabet):
        self.reference, self.alphabet = reference, alphabet
        codes = kmers(reference, alphabet.size)
        codes = np.where(codes < 0, -2 - np.arange(len(codes)), codes)  # no k-mer: like nothing else
        self._codes, first, count = np.unique(codes, return_index=True, return_counts=True)
        self._place = np.where(count == 1, first, -1)  # of k-mers that the reference has once

    def related(self, residues: np.ndarray) -> bool:
        """Whether k-mers tell where tokens (n,) of a sequence stand in the reference."""
        return len(self._anchors(residues)[0]) >= ANCHORED * max(len(self._codes), 1)

    def __call__(self, residues: np.ndarray) -> np.ndarray:
        """Tokens (n,) of a sequence -> tokens (R,): GAP where it lacks a site, also before its beginning and behind
        its end."""
        out = np.zeros(len(self.reference), np.uint8)
        at, to = self._anchors(residues)
        if len(at) < ANCHORED * max(len(self._codes), 1):
            self._between(out, residues, 0, len(self.reference), 0, len(residues), cut=True)
        else:
            self._by_kmers(out, residues, at, to)
        return out

    def _anchors(self, residues: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Positions in the sequence and in the reference of the k-mers they share, rising in both."""
        codes = kmers(residues, self.alphabet.size)
        if not len(self._codes) or not len(codes):
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        i = np.searchsorted(self._codes, codes).clip(max=len(self._codes) - 1)
        found = (self._codes[i] == codes) & (self._place[i] >= 0)
        at, to = np.flatnonzero(found), self._place[i[found]]
        rising = (to >= np.maximum.accumulate(to)) & (to <= np.minimum.accumulate(to[::-1])[::-1]) if len(to) else []
        return at[rising], to[rising]

    def _by_kmers(self, out: np.ndarray, residues: np.ndarray, at: np.ndarray, to: np.ndarray) -> None:
        """Copy what lies between k-mers of equal distance; align the rest."""
        shift = to - at
        ends = np.flatnonzero(np.diff(shift)) + 1
        runs = np.split(np.arange(len(at)), ends)
        first, last = runs[0][0], runs[-1][-1]
        self._begin(out, residues, at[first], to[first])
        for k, run in enumerate(runs):
            start, stop = at[run[0]], at[run[-1]] + K
            if k + 1 < len(runs):  # two runs may claim the same tokens, where a k-mer is repeated at a gap
                n, m = at[runs[k + 1][0]], to[runs[k + 1][0]]
                stop = max(start, min(stop, n, m - shift[run[0]]))
                self._between(out, residues, stop + shift[run[0]], m, stop, n)
            out[start + shift[run[0]] : stop + shift[run[0]]] = residues[start:stop]
        self._end(out, residues, at[last] + K, to[last] + K)

    def _begin(self, out: np.ndarray, residues: np.ndarray, at: int, to: int) -> None:
        """Before the first k-mer: token by token, as far as both go, where these are alike."""
        n = min(at, to)
        if at == to or self._alike(residues[at - n : at], to - n):
            out[to - n : to] = residues[at - n : at]
        else:
            self._between(out, residues, 0, to, 0, at, cut=True)

    def _end(self, out: np.ndarray, residues: np.ndarray, at: int, to: int) -> None:
        """Behind the last k-mer, in the same way."""
        n = min(len(residues) - at, len(out) - to)
        if len(residues) - at == len(out) - to or self._alike(residues[at : at + n], to):
            out[to : to + n] = residues[at : at + n]
        else:
            self._between(out, residues, to, len(out), at, len(residues), cut=True)

    def _alike(self, residues: np.ndarray, to: int) -> bool:
        """Whether tokens differ from the reference's own from `to` on in one at most: fewer than K there have no
        k-mer to say so."""
        own = self.reference[to : to + len(residues)]
        known = (own <= self.alphabet.known) & (residues <= self.alphabet.known)
        return int(((own != residues) & known).sum()) <= 1

    def _between(
        self, out: np.ndarray, residues: np.ndarray, a: int, b: int, c: int, d: int, *, cut: bool = False
    ) -> None:
        """Align tokens[c:d] with sites a to b; `cut`: gaps at the ends cost nothing."""
        if b - a == d - c and not cut:
            out[a:b] = residues[c:d]
        elif b > a and d > c:
            target, query = (self.alphabet.decode(x[None])[0] for x in (self.reference[a:b], residues[c:d]))
            method = self._cut if cut else self._whole
            for (i, j), (m, n) in zip(*method.align(target, query)[0].aligned, strict=True):
                out[a + i : a + j] = residues[c + m : c + n]

    @cached_property
    def _whole(self) -> Any:
        return needleman()

    @cached_property
    def _cut(self) -> Any:
        made = needleman()
        made.end_gap_score = 0.0
        return made


def needleman() -> Any:
    from Bio.Align import PairwiseAligner, substitution_matrices

    made = PairwiseAligner(mode="global", substitution_matrix=substitution_matrices.load("BLOSUM62"))
    made.open_gap_score, made.extend_gap_score = OPEN, EXTEND
    return made


def kmers(residues: np.ndarray, size: int) -> np.ndarray:
    """Number (n - K + 1,) int64 of the k-mer of K tokens at each position; those with the unknown token are -1."""
    n = max(len(residues) - K + 1, 0)
    code, known = np.zeros(n, np.int64), np.ones(n, bool)
    for j in range(K):
        code = code * size + residues[j : j + n]
        known &= residues[j : j + n] != size
    return np.where(known, code, -1)
