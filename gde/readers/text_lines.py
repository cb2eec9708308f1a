"""Large text files, plain or packed, as blocks of whole lines; one that was cut is an error, never a shorter file."""

import os
from collections.abc import Iterator
from pathlib import Path

from gde.errors import bad
from gde.files.unpack import unpacked

BLOCK = 1 << 20
LONGEST_LINE = 1 << 30
# A file of bgzip ends with this empty block; one that was cut between two blocks does not, and unpacks all the same.
BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
BGZF_EXTRA = b"BC\x02\x00"
AGAIN = "get the file again"


def line_blocks(
    path: Path, expected: str, *, remedy: str = AGAIN, size: int = BLOCK, utf8: bool = True
) -> Iterator[bytes]:
    """Blocks of about `size` bytes that end with a line feed.

    expected : what the file should be, for messages.   utf8 : False lets a plain file begin with bytes that are none.
    Raises GdeError for a file that is absent, empty, of another kind or not packed as its ending says, a packed file
    that is damaged or cut, lines of an old Macintosh, and a last line without an end.
    """
    rest, empty, ended = bytearray(), True, False
    with unpacked(path, expected, remedy, utf8=utf8) as file:
        if file.kind == "a gzip file":
            check_bgzf_end(path, remedy)
        while block := file.read(size):
            empty = False
            cut = block.rfind(b"\n") + 1
            rest += block[:cut] if cut else block
            if cut:
                ended = True
                yield bytes(rest)
                rest = bytearray(block[cut:])
            elif len(rest) > LONGEST_LINE:
                raise bad(path, f"a line of more than {LONGEST_LINE} bytes", expected, remedy)
    if empty:
        raise bad(path, "an empty file", expected, remedy)
    if b"\r" in rest and not ended:
        raise bad(path, "lines that end with carriage returns alone", "line feeds", "convert it: tr '\\r' '\\n'")
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
