"""Copies: how much of a text stands, word for word, in others: runs of bytes that are found there."""

from collections.abc import Iterable, Sequence

import numpy as np

BASE = np.uint64(0x9E3779B97F4A7C15)  # odd, so that powers of it never vanish
ROWS = 256  # documents whose runs are hashed together


def run_hashes(tokens: np.ndarray, width: int) -> np.ndarray:
    """A 64-bit hash of every run of `width` characters of tokens (n, L): (n, L - width + 1) uint64; 0 where it is not
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


def copied_shares(texts: Sequence[np.ndarray], known: Iterable[np.ndarray], width: int) -> list[np.ndarray]:
    """Share of the runs of `width` characters of each text that a known one has, too; 0 of one without any: for each of
    `texts`, tokens (n, L), shares (n,).   known : chunks of tokens, all read once; memory follows `texts` alone."""
    asked = [run_hashes(x, width) for x in texts]
    wanted = np.unique(np.concatenate([x.ravel() for x in asked] + [np.zeros(1, np.uint64)]))  # 0: of no whole run
    seen = np.zeros(len(wanted), bool)
    for chunk in known:
        for start in range(0, len(chunk), ROWS):
            runs = run_hashes(chunk[start : start + ROWS], width).ravel()
            place = np.minimum(np.searchsorted(wanted, runs), len(wanted) - 1)
            seen[place[wanted[place] == runs]] = True
    seen[0] = False
    return [seen[np.searchsorted(wanted, x)].sum(1) / np.maximum((x != 0).sum(1), 1) for x in asked]
