"""Gzip files that say where they are from and carry their own digest, in the comment that the format has a place for.

Every tool reads them as the gzip files they are. The same content and record give the same bytes: no time, no name.
"""

import json
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gde.errors import bad
from gde.files.io import atomic_path
from gde.files.seals import SEAL, SEAL_TEXT, check_seal, seal

COMMENT = 16  # flag of a header with a comment
UNKNOWN_OS = 255
LEVEL = 6
LONGEST = 1 << 20  # of a comment


@contextmanager
def write_gzip(path: Path, about: dict[str, Any]) -> Iterator["Compressed"]:
    """A gzip file to be filled with bytes; it appears under its name, sealed, when the block ends without an error.

    about : JSON-able record for `read_about`.
    """
    blank = SEAL_TEXT.removeprefix(f"{SEAL} ")
    comment = json.dumps({SEAL: blank, **about}, allow_nan=False)  # ASCII, and so without zeros
    with atomic_path(path) as tmp:
        with tmp.open("wb") as f:
            f.write(struct.pack("<2sBBLBB", b"\x1f\x8b", zlib.DEFLATED, COMMENT, 0, 0, UNKNOWN_OS))
            f.write(comment.encode("ascii") + b"\0")
            out = Compressed(f)
            yield out
            out.finish()
        seal(tmp)


class Compressed:
    """The compressed part of a gzip file."""

    def __init__(self, file: Any):
        self._file, self._crc, self._size = file, 0, 0
        self._deflate = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)

    def write(self, data: bytes) -> None:
        """Append bytes."""
        self._crc, self._size = zlib.crc32(data, self._crc), self._size + len(data)
        self._file.write(self._deflate.compress(data))

    def finish(self) -> None:
        """Write what is left, and the checksum."""
        self._file.write(self._deflate.flush())
        self._file.write(struct.pack("<LL", self._crc, self._size & 0xFFFFFFFF))


def read_about(path: Path) -> dict[str, Any]:
    """The record of a file that `write_gzip` wrote; GdeError when it is damaged, edited or another one."""
    check_seal(path)
    with Path(path).open("rb") as f:
        head = f.read(LONGEST)
    end = head.find(b"\0", 10)
    try:
        about = json.loads(head[10:end])
    except ValueError as e:
        raise bad(path, f"no record ({e})", "a .gz file written by gde", "make it again") from e
    return {k: v for k, v in about.items() if k != SEAL}
