"""Records of a virus on their way to the set store: on disk, joined by the hash of their names, in constant memory.

Names are known by 64-bit hashes: among ten million records the chance that any two share one is 3 in a million.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import numpy as np

from gde.prepare.virus_tally import Tally

PARTS = 64  # a join holds one of them at a time
HELD = 1 << 16  # records that are dealt out together
ROWS = 1 << 18  # records whose country and day are put back in order together
TOLD = np.dtype([("name", "<u8"), ("row", "<i8"), ("country", "<i4"), ("day", "<i4")])
DUPLICATE, NO_METADATA, TWICE = "duplicate", "metadata", "metadata_again"
DROPPED = {DUPLICATE: "of a name that was there before"}


@dataclass
class Records:
    """Hashes of names (m,) uint64, country (m,) and day (m,) int32, tokens (m, length) uint8."""

    name: np.ndarray
    country: np.ndarray
    day: np.ndarray
    tokens: np.ndarray


def hashes(names: Sequence[bytes]) -> np.ndarray:
    """64-bit hashes (m,) uint64."""
    return np.frombuffer(b"".join([blake2b(name, digest_size=8).digest() for name in names]), "<u8")


class Deal:
    """Records of a dtype, dealt out to files without a name in `directory`."""

    def __init__(self, directory: Path, dtype: np.dtype, parts: int):
        self.dtype, self._stack = dtype, ExitStack()
        self._files = [self._stack.enter_context(TemporaryFile(dir=directory)) for _ in range(parts)]  # noqa: SIM115

    def add(self, part: np.ndarray, records: np.ndarray) -> None:
        """Append records (m,) to the files of numbers `part` (m,)."""
        if not len(part):
            return
        order = np.argsort(part, kind="stable")
        records, part = records[order], part[order]
        cuts = np.flatnonzero(np.diff(part, prepend=-1))
        for first, last in zip(cuts, [*cuts[1:], len(part)], strict=True):
            self._files[part[first]].write(records[first:last].tobytes())

    def read(self, part: int) -> np.ndarray:
        """All records of one of the files."""
        return read_all(self._files[part], self.dtype)

    def close(self) -> None:
        self._stack.close()


def read_all(file: IO[bytes], dtype: np.dtype) -> np.ndarray:
    file.seek(0)
    return np.frombuffer(file.read(), dtype)


class Named:
    """What is told of names, dealt out by their hashes; a context manager."""

    def __init__(self, directory: Path):
        self.rows = 0
        self._deal, self._held, self._size = Deal(directory, TOLD, PARTS), [], 0

    def __enter__(self) -> "Named":
        return self

    def __exit__(self, *_) -> None:
        self._deal.close()

    def add(self, name: np.ndarray, country: np.ndarray, day: np.ndarray) -> None:
        """Append (m,) of each."""
        records = np.empty(len(name), TOLD)
        records["name"], records["country"], records["day"] = name, country, day
        records["row"] = np.arange(self.rows, self.rows + len(name))
        self.rows += len(name)
        self._held.append(records)
        self._size += len(name)
        if self._size >= HELD:
            self._flush()

    def _flush(self) -> None:
        if self._held:
            records = np.concatenate(self._held)
            self._deal.add((records["name"] >> np.uint64(58)).astype(np.int64), records)
            self._held, self._size = [], 0

    def parts(self) -> Iterator[tuple[np.ndarray, int]]:
        """The first record of each name, sorted by name, and how many further ones there were; a part at a time."""
        self._flush()
        for i in range(PARTS):
            records = self._deal.read(i)
            records = records[np.lexsort((records["row"], records["name"]))]
            first = np.ones(len(records), bool)
            first[1:] = records["name"][1:] != records["name"][:-1]
            yield records[first], int((~first).sum())


class Placed:
    """Country and day of the records that are kept, in the order of their rows; a context manager."""

    def __init__(self, directory: Path, rows: int):
        self.rows = rows
        self._deal = Deal(directory, TOLD, -(-rows // ROWS))

    def __enter__(self) -> "Placed":
        return self

    def __exit__(self, *_) -> None:
        self._deal.close()

    def add(self, records: np.ndarray) -> None:
        """Keep records (m,) of dtype TOLD."""
        self._deal.add(records["row"] // ROWS, records)

    def blocks(self) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Name, country (-1 for records that are left out) and day of all rows, some at a time."""
        for i, start in enumerate(range(0, self.rows, ROWS)):
            records, m = self._deal.read(i), min(ROWS, self.rows - start)
            name, country, day = np.zeros(m, np.uint64), np.full(m, -1, np.int32), np.zeros(m, np.int32)
            at = records["row"] - start
            name[at], country[at], day[at] = records["name"], records["country"], records["day"]
            yield name, country, day


def place(read: Named, metadata: Named | None, directory: Path, tally: Tally) -> Placed:
    """Join the records that were read with their metadata, where these tell country and day, and count those left out:
    later ones of a name, those without metadata, and those whose metadata has a reason (country -1 - its number)."""
    placed = Placed(directory, read.rows)
    others = metadata.parts() if metadata is not None else None
    for records, again in read.parts():
        tally.drop(DUPLICATE, again)
        if others is not None:
            known, repeated = next(others)
            tally.mend(TWICE, repeated)
            at = np.minimum(np.searchsorted(known["name"], records["name"]), max(len(known) - 1, 0))
            there = known["name"][at] == records["name"] if len(known) else np.zeros(len(records), bool)
            tally.drop(NO_METADATA, int((~there).sum()))
            records, at = records[there], at[there]
            records["country"], records["day"] = known["country"][at], known["day"][at]
            refused = records["country"] < 0
            tally.drop_numbers(-1 - records["country"][refused])
            records = records[~refused]
        placed.add(records)
    return placed


class TokenSpool:
    """Tokens (m, length) uint8 on disk, in the order they come; neighbours are alike, so they pack well."""

    def __init__(self, directory: Path, length: int):
        self.length, self._sizes = length, []
        self._file = TemporaryFile(dir=directory)  # noqa: SIM115 (closed by __exit__)

    def __enter__(self) -> "TokenSpool":
        return self

    def __exit__(self, *_) -> None:
        self._file.close()

    def add(self, tokens: np.ndarray) -> None:
        import pyarrow as pa

        packed = pa.compress(np.ascontiguousarray(tokens).data, codec="lz4", asbytes=True)
        self._file.write(packed)
        self._sizes.append((len(tokens), len(packed)))

    def blocks(self) -> Iterator[np.ndarray]:
        """As they were added."""
        import pyarrow as pa

        self._file.seek(0)
        for rows, size in self._sizes:
            tokens = pa.decompress(self._file.read(size), rows * self.length, codec="lz4")
            yield np.frombuffer(tokens, np.uint8).reshape(rows, self.length)
