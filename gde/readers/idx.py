"""IDX: the files of MNIST, plain or gzip: a magic number, sizes, then pixels or labels one behind the other."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from gde.errors import bad, many
from gde.files.unpack import Unpacked, unpacked

IMAGES, LABELS = 3, 1  # axes
TYPES = {0x08: "uint8", 0x09: "int8", 0x0B: "int16", 0x0C: "int32", 0x0D: "float32", 0x0E: "float64"}
WHAT = {IMAGES: "pictures (magic number 2051)", LABELS: "labels (magic number 2049)"}
AGAIN = "get the file again"
LARGEST = 4096  # pixels on a side
BLOCK = 1 << 22  # bytes of pictures that are read together


class IdxImages:
    """The pictures of an IDX file: n of them, each of `shape` (1, h, w). GdeError for a file of something else."""

    def __init__(self, path: Path):
        self.path = path
        with unpacked(path, _expected(IMAGES), AGAIN, utf8=False) as file:
            self.n, *side = _header(file, IMAGES)
        if not all(1 <= n <= LARGEST for n in side):
            found = f"pictures of {side[0]} x {side[1]} pixels"
            raise bad(path, found, f"1 to {LARGEST} pixels on a side", AGAIN)
        self.shape = (1, *side)

    def blocks(self) -> Iterator[np.ndarray]:
        """All pictures in their order, (m, 1, h, w) uint8, a few megabytes at a time. GdeError for a file that is cut
        or goes on behind its last picture."""
        size = self.shape[1] * self.shape[2]
        with unpacked(self.path, _expected(IMAGES), AGAIN, utf8=False) as file:
            _header(file, IMAGES)
            at_once = max(1, BLOCK // size)
            for start in range(0, self.n, at_once):
                m = min(at_once, self.n - start)
                pixels = _exactly(file, m * size)
                if len(pixels) < m * size:
                    found = f"{start + len(pixels) // size} whole pictures"
                    raise bad(self.path, found, f"{self.n} as its head says", f"the file was cut: {AGAIN}")
                yield np.frombuffer(pixels, np.uint8).reshape(m, *self.shape)
            _ended(file, self.n, "pictures")


def read_labels(path: Path) -> np.ndarray:
    """The labels (n,) uint8 of an IDX file. GdeError for a file of something else, cut, or with more in it."""
    with unpacked(path, _expected(LABELS), AGAIN, utf8=False) as file:
        (n,) = _header(file, LABELS)
        parts, left = [], n
        while left and (part := file.read(min(left, BLOCK))):
            parts.append(part)
            left -= len(part)
        if left:
            raise bad(path, f"{n - left} labels", f"{n} as its head says", f"the file was cut: {AGAIN}")
        _ended(file, n, "labels")
    return np.frombuffer(b"".join(parts), np.uint8)


def check_counts(images: IdxImages, labels: np.ndarray, of_labels: Path) -> None:
    """GdeError unless there is a label for each picture, and one picture at least."""
    if len(labels) != images.n or not images.n:
        found = f"{many(len(labels), 'label')} for {many(images.n, 'picture')} of {images.path}"
        raise bad(of_labels, found, "a label for each picture", "take the two files of one data set")


def _expected(axes: int) -> str:
    return f"an IDX file of {WHAT[axes]}"


def _exactly(file: Unpacked, size: int) -> bytes:
    """`size` bytes, fewer at the end of the file."""
    parts = []
    while size and (part := file.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _header(file: Unpacked, axes: int) -> list[int]:
    """Sizes of the axes. GdeError for another magic number."""
    head = _exactly(file, 4)
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in TYPES or not 1 <= head[3] <= 8:
        raise bad(file.path, f"bytes {head.hex(' ')} at its begin", _expected(axes), AGAIN)
    if head[2] != 0x08:
        found = f"values of type {TYPES[head[2]]}"
        raise bad(file.path, found, f"{_expected(axes)}, whole numbers of 8 bits", "convert them to 0..255")
    if head[3] != axes:
        found = WHAT.get(head[3], f"an array of {head[3]} axes")
        remedy = "exchange the files of pictures and labels" if head[3] in WHAT else AGAIN
        raise bad(file.path, found, WHAT[axes], remedy)
    sizes = _exactly(file, 4 * axes)
    if len(sizes) < 4 * axes:
        raise bad(file.path, f"{4 + len(sizes)} bytes", _expected(axes), f"the file was cut: {AGAIN}")
    return [int(n) for n in np.frombuffer(sizes, ">u4")]


def _ended(file: Unpacked, n: int, what: str) -> None:
    if file.read(1):
        raise bad(file.path, f"more than the {n} {what} of its head", "no bytes behind them", AGAIN)
