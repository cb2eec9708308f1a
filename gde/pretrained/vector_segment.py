"""Vectors of many sequences together, in memory or in a file that is never changed."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gde.files.io import atomic_write

KEY = 32  # bytes of a SHA-256
CHECK = 8  # bytes of the digest of a row: against accidents
ENDING = ".vectors"
MAGIC = b"gde vectors 1\n\0\0"
HEAD = np.dtype([("magic", f"V{len(MAGIC)}"), ("rows", "<u8"), ("dim", "<u8")])


class Segment(NamedTuple):
    """n keys, and a vector of each.

    keys : (n,) S32.   values : (n, dim) float32, mapped where there is a file.   checks : (n,) V8, digest of each key
    with its vector.   checked : (n,) bool, whether that was compared: when a row is first read.
    """

    keys: np.ndarray
    values: np.ndarray
    checks: np.ndarray | None = None
    checked: np.ndarray | None = None
    file: Path | None = None

    def take(self, rows: np.ndarray) -> np.ndarray | None:
        """The vectors (m, dim) of some rows (m,); None where one of them is damaged."""
        values = self.values[rows]
        if self.checks is not None:
            for i in np.flatnonzero(~self.checked[rows]):
                if row_check(self.keys[rows[i]], values[i]) != self.checks[rows[i]].tobytes():
                    return None
            self.checked[rows] = True
        return values


def of_keys(keys: Sequence[bytes]) -> np.ndarray:
    """Keys (n,) S32 of bytes; they compare as bytes do, since all are of one length."""
    return np.frombuffer(b"".join(keys), f"S{KEY}")


def row_check(key: np.ndarray, value: np.ndarray) -> bytes:
    """Digest of a row."""
    return hashlib.blake2b(bytes(key).ljust(KEY, b"\0") + value.tobytes(), digest_size=CHECK).digest()


def write_segment(directory: Path, keys: np.ndarray, values: np.ndarray) -> Path:
    """Write keys (n,) and vectors (n, dim) into a file: a head, the keys, the digests of the rows, and the vectors.

    Its name is the digest of what stands before the vectors, and these are covered by the digests of the rows: so a
    file is checked whole by reading 40 bytes of each row when it is opened, and each vector when it is needed.
    """
    head = np.zeros(1, HEAD)
    head["magic"], head["rows"], head["dim"] = np.void(MAGIC), *values.shape
    checks = b"".join(row_check(key, value) for key, value in zip(keys, values, strict=True))
    front = head.tobytes() + keys.tobytes() + checks
    file = directory / f"{hashlib.sha256(front).hexdigest()[:32]}{ENDING}"
    with atomic_write(file, "wb") as f:
        f.write(front)
        f.write(np.ascontiguousarray(values, "<f4").data)
    return file


def open_segment(file: Path, dim: int) -> Segment | None:
    """The segment in a file; None when it is not what its name says. FileNotFoundError where it is gone."""
    size = file.stat().st_size
    if size < HEAD.itemsize:
        return None
    data = np.asarray(np.memmap(file, np.uint8, "r"))
    (head,) = data[: HEAD.itemsize].view(HEAD)
    rows, first = int(head["rows"]), HEAD.itemsize
    behind = first + rows * (KEY + CHECK)
    if head["magic"].tobytes() != MAGIC or head["dim"] != dim or size != behind + rows * 4 * dim:
        return None
    if hashlib.sha256(data[:behind]).hexdigest()[:32] != file.stem:
        return None
    keys, checks = data[first : first + rows * KEY].view(f"S{KEY}"), data[first + rows * KEY : behind].view(f"V{CHECK}")
    return Segment(keys, data[behind:].view("<f4").reshape(rows, dim), checks, np.zeros(rows, bool), file)
