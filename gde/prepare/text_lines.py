"""Large text files, plain or gzip, as blocks of whole lines; a file that was cut is an error, never a shorter file."""

import gzip
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from isal import igzip, isal_zlib  # unpacks twice as fast as Python's own

from gde.errors import bad
from gde.foreign import check_file, kind_of, other_file

BLOCK = 1 << 20
LONGEST_LINE = 1 << 30
# A file of bgzip ends with this empty block; one that was cut between two blocks does not, and unpacks all the same.
BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
BGZF_EXTRA = b"BC\x02\x00"
AGAIN = "get the file again"


def line_blocks(path: Path, expected: str, *, remedy: str = AGAIN, size: int = BLOCK) -> Iterator[bytes]:
    """Blocks of about `size` bytes that end with a line feed.

    expected : what the file should be, for messages. Raises GdeError for a file that is absent, empty, of another kind,
    a gzip file that is damaged or cut, and a last line without an end.
    """
    check_file(path, expected, remedy)
    kind, packed = kind_of(path), path.suffix in (".gz", ".bgz")
    if kind not in ("text", "a gzip file") or (packed and kind == "text"):
        raise other_file(path, expected, remedy)
    if kind == "a gzip file":
        check_bgzf_end(path, remedy)
    rest, empty = bytearray(), True
    with igzip.open(path) if kind == "a gzip file" else path.open("rb") as file:
        while block := _read(file, size, path, remedy):
            empty = False
            cut = block.rfind(b"\n") + 1
            rest += block[:cut] if cut else block
            if cut:
                yield bytes(rest)
                rest = bytearray(block[cut:])
            elif len(rest) > LONGEST_LINE:
                raise bad(path, f"a line of more than {LONGEST_LINE} bytes", expected, remedy)
    if empty:
        raise bad(path, "an empty file", expected, remedy)
    if rest:
        found = f"a last line without an end, {bytes(rest[:40]).decode(errors='replace')!r}"
        raise bad(path, found, "whole lines", f"the file was cut: {remedy}")


def check_bgzf_end(path: Path, remedy: str = AGAIN) -> None:
    """GdeError for a file of bgzip (or a BAM file) without the block that ends it."""
    with path.open("rb") as file:
        head = file.read(18)
        if head[12:16] != BGZF_EXTRA:  # of another program, whose files have no such mark
            return
        file.seek(max(0, os.fstat(file.fileno()).st_size - len(BGZF_END)))
        if file.read() != BGZF_END:
            raise bad(path, "no block that marks the end", "a whole file of bgzip", f"the file was cut: {remedy}")


def _read(file: IO[bytes], size: int, path: Path, remedy: str) -> bytes:
    try:
        return file.read(size)
    except (EOFError, isal_zlib.error, gzip.BadGzipFile) as e:
        raise bad(path, f"a damaged or cut gzip file ({e})", "a whole one", remedy) from e
