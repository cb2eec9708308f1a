"""Records that arrive in any order, sorted by group and in random order inside a group, in constant memory.

Records are spooled to a file, each with a random key. Their sizes known, the file is dealt out to as many others as
hold a few tens of megabytes each: a record's place in the order is known from its group and key up to a few rows. Each
of these files is then sorted in memory. All files are read and written from begin to end.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from gde.errors import bad

BYTES = 1 << 25  # of records held at a time
CODE, KEY = "code", "key"


class GroupSort:
    """Records of a fixed dtype, added in any order with the number of their group.

    Inside a group they come back in the order of random keys, drawn one by one as records arrive: the order is a
    function of (seed, records) alone, whatever the chunks they were added in.

    directory : where the files lie, to be removed by the caller.   sizes (G,) : records of each group so far.
    """

    def __init__(self, directory: Path, dtype: np.dtype, *, seed: int):
        self.directory = directory
        self.dtype = np.dtype([(CODE, "<i4"), (KEY, "<u8"), *((name, dtype.fields[name][0]) for name in dtype.names)])
        self.sizes = np.zeros(0, np.int64)
        self._rng = np.random.default_rng(seed)
        self._spool = (directory / "spool").open("w+b")

    @property
    def at_once(self) -> int:
        """Records that are held at a time."""
        return max(1, BYTES // self.dtype.itemsize)

    def add(self, code: np.ndarray, **fields: np.ndarray) -> None:
        """Append records: code (m,) int64 >= 0, and one array (m, ...) for each field."""
        counts = np.bincount(code, minlength=len(self.sizes))
        counts[: len(self.sizes)] += self.sizes
        self.sizes = counts
        for start in range(0, len(code), self.at_once):
            part = slice(start, start + self.at_once)
            records = np.empty(len(code[part]), self.dtype)
            records[CODE] = code[part]
            records[KEY] = self._rng.integers(2**64, size=len(records), dtype=np.uint64)
            for name, values in fields.items():
                records[name] = values[part]
            records.tofile(self._spool)

    def sorted(self) -> Iterator[np.ndarray]:
        """All records in order, a few tens of megabytes at a time; once, since the files are removed on the way."""
        total = int(self.sizes.sum())
        files = -(-total // self.at_once)
        if files > 1:
            self._deal(total, files)
            self._spool.close()
            (self.directory / "spool").unlink()
        for i in range(files):
            file = self.directory / f"part{i}"
            if files == 1:
                records = self._read(0, total)
            elif not file.exists():  # its share of the order went to its neighbours
                continue
            else:
                records = np.fromfile(file, self.dtype)
                file.unlink()
            order = records[KEY].argsort(kind="stable")
            code = records[CODE] - records[CODE].min()
            yield records.take(order[_short(code, int(code.max()))[order].argsort(kind="stable")])

    def close(self) -> None:
        """Close the file; the directory can then be removed everywhere."""
        self._spool.close()

    def _deal(self, total: int, files: int) -> None:
        """Cut the spool into files by place: increasing in (code, key), and near it by at most a few roundings."""
        starts = np.cumsum(self.sizes) - self.sizes
        for start in range(0, total, self.at_once):
            records = self._read(start, min(self.at_once, total - start))
            code = records[CODE]
            place = starts[code] + self.sizes[code] * (records[KEY] * 2.0**-64)
            target = _short(np.minimum(place * (files / total), files - 1), files - 1)
            order = target.argsort(kind="stable")
            records, target = records.take(order), target[order]
            cuts = np.flatnonzero(np.diff(target, prepend=target[0] + 1))
            for first, last in zip(cuts, [*cuts[1:], len(target)], strict=True):
                with (self.directory / f"part{target[first]}").open("ab") as f:
                    records[first:last].tofile(f)

    def _read(self, start: int, count: int) -> np.ndarray:
        self._spool.flush()
        self._spool.seek(start * self.dtype.itemsize)
        records = np.fromfile(self._spool, self.dtype, count)
        if len(records) != count:
            raise bad(self.directory, f"{len(records)} of {count} records", "a whole file", "run again")
        return records


def _short(numbers: np.ndarray, largest: int) -> np.ndarray:
    """Whole numbers in the type that numpy sorts fastest (by radix), where they fit."""
    return numbers.astype(np.uint16 if largest < 2**16 else np.uint32)
