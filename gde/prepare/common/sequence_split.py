"""Splits of sequences that nobody lists: a hash of each says where it belongs."""

from collections.abc import Sequence

import numpy as np

from gde.prepare.common.hashing import sequence_hash, uniform
from gde.sets.random import seed_of


def parts_of(tokens: np.ndarray, split: dict) -> np.ndarray:
    """Place in SPLITS (m,) uint8 of sequences of tokens (m, L): a function of each sequence and the seed alone."""
    seed = seed_of(split["seed"], "split", "sequence")
    return parts_at(uniform(sequence_hash(tokens, seed)), split["fractions"])


def parts_at(share: np.ndarray, fractions: Sequence[float]) -> np.ndarray:
    """Place in SPLITS (m,) uint8 of uniform numbers (m,) in [0, 1)."""
    train, validation, _ = fractions
    return (share >= train).astype(np.uint8) + (share >= train + validation)
