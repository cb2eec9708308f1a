"""Alignment of a sequence with a reference that it descends from: by words that both have, and properly between them.

Versions of one protein differ in few letters, insertions and deletions: nearly all of their words of eight letters are
the reference's own. Where the words leave a gap of other lengths, and where they are too few, Needleman and Wunsch's
alignment with BLOSUM62 decides.
"""

from functools import cached_property
from typing import Any

import numpy as np

from gde.sets.types.alphabet import Alphabet

GAP = 0  # the token of a site that a sequence lacks
WORD = 8
ANCHORED = 0.5  # share of the reference's words that a sequence must have to be aligned by them
OPEN, EXTEND = -11.0, -1.0  # of gaps, beside BLOSUM62


class Aligner:
    """Sequences laid onto the sites of a reference (R,) of tokens."""

    def __init__(self, reference: np.ndarray, alphabet: Alphabet):
        self.reference, self.alphabet = reference, alphabet
        codes = words(reference, alphabet.size)
        codes = np.where(codes < 0, -2 - np.arange(len(codes)), codes)  # no word: like nothing else
        self._codes, first, count = np.unique(codes, return_index=True, return_counts=True)
        self._place = np.where(count == 1, first, -1)  # of words that the reference has once

    def __call__(self, letters: np.ndarray) -> np.ndarray:
        """Letters (n,) of a sequence -> tokens (R,): GAP where it lacks a site, also before its beginning and behind
        its end."""
        out = np.zeros(len(self.reference), np.uint8)
        at, to = self._anchors(letters)
        if len(at) < ANCHORED * max(len(self._codes), 1):
            self._between(out, letters, 0, len(self.reference), 0, len(letters), cut=True)
        else:
            self._by_words(out, letters, at, to)
        return out

    def _anchors(self, letters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Places in the sequence and in the reference of the words they share, rising in both."""
        codes = words(letters, self.alphabet.size)
        if not len(self._codes) or not len(codes):
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        i = np.searchsorted(self._codes, codes).clip(max=len(self._codes) - 1)
        found = (self._codes[i] == codes) & (self._place[i] >= 0)
        at, to = np.flatnonzero(found), self._place[i[found]]
        rising = (to >= np.maximum.accumulate(to)) & (to <= np.minimum.accumulate(to[::-1])[::-1]) if len(to) else []
        return at[rising], to[rising]

    def _by_words(self, out: np.ndarray, letters: np.ndarray, at: np.ndarray, to: np.ndarray) -> None:
        """Copy what lies between words of equal distance; align the rest."""
        shift = to - at
        ends = np.flatnonzero(np.diff(shift)) + 1
        runs = np.split(np.arange(len(at)), ends)
        first, last = runs[0][0], runs[-1][-1]
        self._end(out, letters, at[first], to[first])
        for k, run in enumerate(runs):
            start, stop = at[run[0]], at[run[-1]] + WORD
            if k + 1 < len(runs):  # two runs may claim the same letters, where a word is repeated at a gap
                n, m = at[runs[k + 1][0]], to[runs[k + 1][0]]
                stop = max(start, min(stop, n, m - shift[run[0]]))
                self._between(out, letters, stop + shift[run[0]], m, stop, n)
            out[start + shift[run[0]] : stop + shift[run[0]]] = letters[start:stop]
        self._end(out[::-1], letters[::-1], len(letters) - at[last] - WORD, len(out) - to[last] - WORD)

    def _end(self, out: np.ndarray, letters: np.ndarray, at: int, to: int) -> None:
        """Before the first word: letter by letter, as far as both go."""
        n = min(at, to)
        out[to - n : to] = letters[at - n : at]

    def _between(
        self, out: np.ndarray, letters: np.ndarray, a: int, b: int, c: int, d: int, *, cut: bool = False
    ) -> None:
        """Align letters[c:d] with sites a to b; `cut`: gaps at the ends cost nothing."""
        if b - a == d - c and not cut:
            out[a:b] = letters[c:d]
        elif b > a and d > c:
            target, query = (self.alphabet.decode(x[None])[0] for x in (self.reference[a:b], letters[c:d]))
            method = self._cut if cut else self._whole
            for (i, j), (m, n) in zip(*method.align(target, query)[0].aligned, strict=True):
                out[a + i : a + j] = letters[c + m : c + n]

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


def words(letters: np.ndarray, size: int) -> np.ndarray:
    """Number (n - WORD + 1,) int64 of the word of WORD letters at each place; those with the unknown letter are -1."""
    n = max(len(letters) - WORD + 1, 0)
    code, known = np.zeros(n, np.int64), np.ones(n, bool)
    for j in range(WORD):
        code = code * size + letters[j : j + n]
        known &= letters[j : j + n] != size
    return np.where(known, code, -1)
