"""How much of a text stands, word for word, in others: runs of bytes that are found there."""

from collections.abc import Iterable

import numpy as np

BASE = np.uint64(0x9E3779B97F4A7C15)  # odd, so that powers of it never vanish
ROWS = 256  # documents whose runs are hashed together


def run_hashes(tokens: np.ndarray, width: int) -> np.ndarray:
    """A 64-bit hash of every run of `width` letters of tokens (n, L): (n, L - width + 1) uint64; 0 where it is not
    whole. Wrong for one pair of runs in about 2^64 over their number."""
    length = tokens.shape[1]
    if length < width:
        return np.zeros((len(tokens), 0), np.uint64)
    out = np.zeros((len(tokens), length - width + 1), np.uint64)
    with np.errstate(over="ignore"):
        for j in range(width):
            out = out * BASE + tokens[:, j : j + out.shape[1]].astype(np.uint64)
            out ^= out >> np.uint64(29)
    whole = (tokens != 0)[:, width - 1 :]
    return np.where(whole, np.maximum(out, np.uint64(1)), np.uint64(0))


class Copies:
    """The runs of `width` letters of known documents, chunks of tokens (n, L)."""

    def __init__(self, known: Iterable[np.ndarray], width: int):
        self.width = width
        parts = [
            np.unique(run_hashes(chunk[start : start + ROWS], width))
            for chunk in known
            for start in range(0, len(chunk), ROWS)
        ]
        self._known = np.unique(np.concatenate(parts))

    def share(self, tokens: np.ndarray) -> np.ndarray:
        """Share (n,) of the runs of each of tokens (n, L) that a known document has, too; 0 of one without any."""
        found = run_hashes(tokens, self.width)
        whole = found != 0
        place = np.minimum(np.searchsorted(self._known, found), len(self._known) - 1)
        return ((self._known[place] == found) & whole).sum(1) / np.maximum(whole.sum(1), 1)
