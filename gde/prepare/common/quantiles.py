"""Exact quantiles of numbers that do not fit in memory, ties broken by a seeded order of the rows."""

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import numpy as np

from gde.prepare.common.hashing import TIE_BITS, shuffled

DIGIT = 12  # bits of a key that one pass over the data settles
BLOCK = 1 << 18  # numbers held at a time
MOST = 1 << (64 - TIE_BITS)  # quantiles: a tie's number must fit beside the order of its rows


class Ranking:
    """Numbers that are added one after the other, and the quantile of each.

    Rows are ordered by (value, a seeded permutation of row numbers): a total order, so quantile q of n rows and k
    quantiles is exactly the rows of rank floor(q n / k) up to floor((q + 1) n / k), whatever the ties and the chunks.
    Memory is constant: values lie in a file without a name in `directory`, eight bytes each, until `close`.
    """

    def __init__(self, directory: Path, *, seed: int):
        self.directory, self.seed, self.n = directory, seed, 0
        self._file = TemporaryFile(dir=directory)  # noqa: SIM115 (closed by __exit__)

    def __enter__(self) -> "Ranking":
        return self

    def __exit__(self, *_) -> None:
        self._file.close()

    def add(self, values: np.ndarray) -> None:
        """Append values (m,), finite numbers."""
        values = np.ascontiguousarray(values, "<f8")
        self._file.write(values.data)
        self.n += len(values)

    def quantiles(self, count: int) -> Iterator[np.ndarray]:
        """Quantile (m,) uint8 in 0..count-1 of all rows in the order they were added, in blocks.

        Raises ValueError for fewer rows than quantiles, and for more than 256 quantiles.
        """
        if not 1 <= count <= min(self.n, MOST):
            raise ValueError(f"found {count} quantiles of {self.n} rows, expected at most {MOST} and one row for each")
        ranks = np.arange(1, count) * self.n // count
        keys, below = select(self._keys, ranks)
        ties, tie = np.unique(keys, return_inverse=True)
        tied = np.zeros(len(ties), np.int64)  # rows of each boundary's value
        with TemporaryFile(dir=self.directory) as spool:  # these rows, by boundary and by place in the permutation
            for _, _, place in self._placed(keys, tie):
                tied += np.bincount((place >> np.uint64(TIE_BITS)).astype(np.int64), minlength=len(ties))
                spool.write(place.data)
            places, _ = select(lambda: _read(spool, "<u8"), (tied.cumsum() - tied)[tie] + ranks - below)
        for quantile, rows, place in self._placed(keys, tie):
            quantile[rows] = np.searchsorted(places, place, side="right")
            yield quantile.astype(np.uint8)

    def values(self, block: int) -> Iterator[np.ndarray]:
        """All values in the order they were added, `block` at a time."""
        return _read(self._file, "<f8", block)

    def _keys(self) -> Iterator[np.ndarray]:
        return (ordered(values) for values in _read(self._file, "<f8"))

    def _placed(self, keys: np.ndarray, tie: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """In blocks: how many boundaries' keys (sorted) are below each row's; the rows that have such a key, and
        (number of the tie, place in the permutation) of these."""
        start = 0
        for key in self._keys():
            lower = np.searchsorted(keys, key, side="left")
            rows = np.flatnonzero(np.append(keys, np.uint64(0))[lower] == key)  # no finite value has the key 0
            number = tie[lower[rows]].astype(np.uint64)
            yield lower, rows, (number << np.uint64(TIE_BITS)) | shuffled(start + rows, self.seed)
            start += len(key)


def _read(file: IO[bytes], dtype: str, block: int | None = None) -> Iterator[np.ndarray]:
    """The numbers of a file from its begin, in blocks."""
    file.seek(0)
    while len(values := np.fromfile(file, dtype, block or BLOCK)):
        yield values


def ordered(values: np.ndarray) -> np.ndarray:
    """Keys (m,) uint64 in the order of finite float64 values (m,): sign bit set for positive ones, else all flipped."""
    bits = (values + 0.0).view(np.uint64)  # + 0.0: there is one zero
    sign = np.uint64(1 << 63)
    return np.where(bits & sign, ~bits, bits | sign)


def select(blocks: Callable[[], Iterator[np.ndarray]], ranks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The keys at places `ranks` (r,) of the sorted keys, uint64, and how many keys are smaller than each, int64.

    blocks() runs over all keys (uint64); a digit of the answers is settled in each pass, from the highest, by counting
    the keys that begin like one of them. A block is sorted, since these lie together then.
    """
    rest = np.asarray(ranks, np.int64).copy()
    chosen = np.zeros(len(rest), np.uint64)
    bits = 64
    while bits and len(rest):
        width = min(DIGIT, bits)
        prefixes, of = np.unique(chosen, return_inverse=True)
        counts = np.zeros((len(prefixes), 1 << width), np.int64)
        first = prefixes << np.uint64(bits) if bits < 64 else prefixes
        last = first | np.uint64((1 << bits) - 1)
        for key in blocks():
            key = np.sort(key)
            digit = (key >> np.uint64(bits - width)).astype(np.int64) & ((1 << width) - 1)
            starts, stops = np.searchsorted(key, first, "left"), np.searchsorted(key, last, "right")
            for i in np.flatnonzero(stops > starts):
                counts[i] += np.bincount(digit[starts[i] : stops[i]], minlength=1 << width)
        bits -= width
        upto = counts.cumsum(1)
        digit = (upto[of] <= rest[:, None]).sum(1)
        rest -= np.where(digit > 0, upto[of, np.maximum(digit, 1) - 1], 0)
        chosen = (chosen << np.uint64(width)) | digit.astype(np.uint64)
    return chosen, np.asarray(ranks, np.int64) - rest
