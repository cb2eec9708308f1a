"""Hashes that decide: seeded functions of the thing itself, so no order, file or chunk size changes the answer."""

import numpy as np

TIE_BITS = 56  # of `shuffled`: what is left beside 8 bits that say which tie it is of
_MASK = np.uint64((1 << TIE_BITS) - 1)
_ODD = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


def sequence_hash(tokens: np.ndarray, seed: int) -> np.ndarray:
    """A 64-bit hash (m,) uint64 of each sequence of tokens (m, L) uint8; zeros behind the end do not count.

    Eight tokens at a time are mixed into the state: exclusive or, a product with an odd number, the upper half folded
    into the lower. Each of these steps is invertible, so two sequences that differ in one such word never meet.
    """
    m, length = tokens.shape
    wide = -(-length // 8) * 8
    if wide != length or not tokens.flags.c_contiguous:
        padded = np.zeros((m, wide), np.uint8)
        padded[:, :length] = tokens
        tokens = padded
    state = np.full(m, _start(seed), np.uint64)
    for word in tokens.view("<u8").T:
        mixed = (state ^ word) * _ODD[0]
        mixed ^= mixed >> np.uint64(32)
        state = np.where(word != 0, mixed, state)
    return _finish(state)


def uniform(hashes: np.ndarray) -> np.ndarray:
    """Hashes (m,) uint64 as numbers in [0, 1), float64."""
    return (hashes >> np.uint64(11)) * 2.0**-53


def shuffled(index: np.ndarray, seed: int) -> np.ndarray:
    """A permutation of 0 ... 2**56 - 1 at `index` (m,): distinct numbers for distinct indices, uint64."""
    x = (index.astype(np.uint64) + _start(seed)) & _MASK
    for odd in _ODD:
        x = (x * odd) & _MASK
        x ^= x >> np.uint64(29)
    return x


def _start(seed: int) -> np.uint64:
    return _finish(np.array([seed % 2**64], np.uint64))[0]


def _finish(x: np.ndarray) -> np.ndarray:
    """Every bit of x into every bit of the result (the end of SplitMix64, Steele et al. 2014)."""
    for shift, odd in ((30, _ODD[1]), (27, _ODD[2])):
        x = (x ^ (x >> np.uint64(shift))) * odd
    return x ^ (x >> np.uint64(31))
