"""Gzip files that say where they are from and carry their own digest, in the extra field that the format has a place
for.

Every tool reads them as the gzip files they are. The same content and record give the same bytes: no time, no name.
BGZF, the gzip of blocks that genome tools seek in, leaves no room in its headers: there the record stands beside.
"""

import json
import struct
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

from gde.errors import bad
from gde.files.io import atomic_path, sha256_file
from gde.files.seals import SEAL, SEAL_TEXT, check_seal, read_sealed_json, seal, write_sealed_json
from gde.files.sniffing import check_file

EXTRA, COMMENT = 4, 16  # flags of a header with an extra field, and of one with a comment
OURS, BLOCKS = b"GD", b"BC"  # what the first extra field is: a record of gde, the size of a block of BGZF
UNKNOWN_OS = 255
LEVEL = 6
LONGEST = 1 << 20  # of a header
AGAIN = "make it again"


class Sink(Protocol):
    """What takes bytes."""

    def write(self, data: bytes) -> Any: ...


@contextmanager
def write_gzip(path: Path, about: dict[str, Any], *, blocks: bool = False) -> Iterator[Sink]:
    """A gzip file to be filled with bytes; it appears under its name, sealed, when the block ends without an error.

    about : JSON-able record for `read_about`.   blocks : write BGZF, and the record to `beside(path)`.
    """
    if blocks:
        with _write_blocks(path, about) as f:
            yield f
        return
    blank = SEAL_TEXT.removeprefix(f"{SEAL} ")
    record = json.dumps({SEAL: blank, **about}, allow_nan=False).encode("ascii")
    # Not as a comment: readers written in Go, whose library holds 511 bytes of one, then take the file for damaged.
    extra = struct.pack("<2sH", OURS, len(record)) + record
    with atomic_path(path) as tmp:
        with tmp.open("wb") as f:
            f.write(struct.pack("<2sBBLBBH", b"\x1f\x8b", zlib.DEFLATED, EXTRA, 0, 0, UNKNOWN_OS, len(extra)) + extra)
            out = Compressed(f)
            yield out
            out.finish()
        seal(tmp)


@contextmanager
def _write_blocks(path: Path, about: dict[str, Any]) -> Iterator[Sink]:
    """As `write_gzip`, in BGZF. The record comes last: without it, or beside another file, `read_about` refuses."""
    import pysam

    with atomic_path(path) as tmp:
        try:
            with closing(pysam.BGZFile(str(tmp), f"wb{LEVEL}")) as f:
                yield f
        except OSError as e:
            if e.errno is not None:
                raise
            found, remedy = f"not written ({e})", "free disk space and run again; nothing was left half-written"
            raise bad(path, found, "a writable place with free space", remedy) from e
    write_sealed_json(beside(path), {"sha256": sha256_file(path), **about})


def beside(path: Path) -> Path:
    """Where the record of a BGZF file stands."""
    return path.with_name(f"{path.name}.json")


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
    check_file(path, "a .gz file written by gde", AGAIN)
    with Path(path).open("rb") as f:
        head = f.read(LONGEST)
    if head[3:4] == bytes([EXTRA]) and head[12:14] == BLOCKS:
        return _read_beside(Path(path))
    check_seal(path)
    try:
        about = json.loads(_record(head))
    except ValueError as e:
        raise bad(path, f"no record ({e})", "a .gz file written by gde", AGAIN) from e
    return {k: v for k, v in about.items() if k != SEAL}


def _record(head: bytes) -> bytes:
    """The bytes of the record in a header: an extra field, or the comment that gde wrote at first. ValueError for
    another header."""
    if head[3:4] == bytes([COMMENT]):
        return head[10 : head.find(b"\0", 10)]
    if head[3:4] != bytes([EXTRA]) or head[12:14] != OURS:
        raise ValueError("another header")
    (length,) = struct.unpack_from("<H", head, 14)
    return head[16 : 16 + length]


def _read_beside(path: Path) -> dict[str, Any]:
    """The record of a BGZF file; GdeError unless it is of these very bytes."""
    about = read_sealed_json(beside(path), remedy=AGAIN)
    found, expected = sha256_file(path), about.pop("sha256", None)
    if found != expected:
        raise bad(path, f"sha256 {found}", f"sha256 {expected} as {beside(path).name} says", AGAIN)
    return about
