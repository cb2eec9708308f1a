"""Splits of sequences that nobody lists: a hash of each says where it belongs."""

from collections.abc import Sequence

import numpy as np

from gde.prepare.common.hashing import sequence_hash, uniform
from gde.sets.random import seed_of


def parts_of(tokens: np.ndarray, split: dict) -> np.ndarray:
    """Place in SPLITS (m,) uint8 of sequences of tokens (m, L): a function of each sequence and the seed alone."""
    return parts_at(uniform(split_hash(tokens, split)), split["fractions"])


def split_hash(tokens: np.ndarray, split: dict) -> np.ndarray:
    """The hashes (m,) uint64 of sequences of tokens (m, L) that `parts_of` goes by."""
    return sequence_hash(tokens, split_seed(split))


def split_seed(split: dict) -> int:
    return seed_of(split["seed"], "split", "sequence")


def parts_at(share: np.ndarray, fractions: Sequence[float]) -> np.ndarray:
    """Place in SPLITS (m,) uint8 of uniform numbers (m,) in [0, 1)."""
    train, validation, _ = fractions
    return (share >= train).astype(np.uint8) + (share >= train + validation)
