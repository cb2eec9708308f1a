"""Random choice without replacement from many groups at once."""

import numpy as np

WINDOW = 1024  # rows: groups up to this size are drawn from as a whole
_KEY_RATIO = 4  # below this many rows per draw, sorting random keys beats redrawing repeats


def without_replacement(sizes: np.ndarray, counts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """For each slot s, `counts[s]` distinct integers below `sizes[s]`, every ordered choice equally likely.

    sizes, counts : (s,) int64, 0 <= counts <= sizes.   returns (sum of counts,) int64, slot after slot.
    """
    slot = np.repeat(np.arange(len(counts)), counts)
    out = np.empty(len(slot), np.int64)
    dense = sizes < _KEY_RATIO * counts
    for wide in _by_width(np.flatnonzero(dense), sizes):
        _by_keys(sizes[wide], counts[wide], rng, out, (np.cumsum(counts) - counts)[wide])
    loose = np.flatnonzero(~dense[slot]) if dense.any() else np.arange(len(slot))
    if len(loose):
        _by_redrawing(sizes[slot[loose]], slot[loose], rng, out, loose)
    return out


def _by_width(slots: np.ndarray, sizes: np.ndarray):
    """Slots in batches whose sizes share a power of two, so that a padded matrix wastes at most half."""
    width = np.frexp(sizes[slots])[1]
    return [slots[width == w] for w in np.unique(width)]


def _by_keys(sizes, counts, rng, out, start) -> None:
    """The rows with the smallest random keys; O(size) numbers per slot, so for counts near the size."""
    keys = rng.random((len(sizes), sizes.max()))
    keys[np.arange(keys.shape[1]) >= sizes[:, None]] = 2.0  # padding sorts last
    rank = np.arange(counts.max())
    chosen = np.argsort(keys, axis=1)[:, : len(rank)]
    real = rank < counts[:, None]
    out[(start[:, None] + rank)[real]] = chosen[real]


def _below(size: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Integers below each of `size`: three times as fast as Generator.integers, off uniform by at most size / 2^53.

    The product never rounds up to `size`: the largest number is 1 - 2^-53.
    """
    return (rng.random(len(size)) * size).astype(np.int64)


def _by_redrawing(size, slot, rng, out, place) -> None:
    """Draw with replacement and redraw what repeats; which values repeat does not depend on their names, so every
    choice stays equally likely."""
    value = _below(size, rng)
    check = np.arange(len(value))  # draws of the slots that may still hold a repeat
    dirty = np.zeros(slot.max() + 1, bool)
    bits = len(value).bit_length()
    span = int(size.max())
    while len(check):
        # One integer sort finds equal (slot, value) pairs: the draw's own number rides in the low bits.
        key = np.sort(((slot[check] * span + value[check]) << bits) | check)
        again = key[1:][(key[1:] >> bits) == (key[:-1] >> bits)] & ((1 << bits) - 1)
        value[again] = _below(size[again], rng)
        dirty[:] = False
        dirty[slot[again]] = True
        check = check[dirty[slot[check]]]
    out[place] = value


def spread(sizes: np.ndarray, counts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Like `without_replacement`, but inside a random circular window of a large group: neighbouring rows of a file.

    Rows lie in random order inside their group, so the rows of a window are a sample without replacement as good as
    any other, and reading them touches a few hundred kilobytes of the disk instead of one page for each row. Every row
    is as likely as every other; groups of at most `WINDOW` rows are drawn from as a whole.
    """
    window = np.minimum(sizes, np.maximum(WINDOW, _KEY_RATIO * counts))
    offset = _below(sizes, rng)
    chosen = without_replacement(window, counts, rng)
    return (chosen + np.repeat(offset, counts)) % np.repeat(sizes, counts)
