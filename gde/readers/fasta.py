"""Large FASTA files as bytes, some thousand records at a time, in constant memory."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gde.errors import bad
from gde.readers.text_lines import AGAIN, line_blocks

BLOCK = 1 << 18  # small enough for a processor's cache
LONGEST_RECORD = 1 << 28


@dataclass
class FastaBlock:
    """Records one after the other: number of the first in the file (from 1), headers without `>`, residues."""

    first: int
    headers: list[bytes]
    texts: list[bytes]

    def __len__(self) -> int:
        return len(self.headers)


def fasta_blocks(path: Path, expected: str, *, remedy: str = AGAIN, size: int = BLOCK) -> Iterator[FastaBlock]:
    """All records of a file, plain, gzip, xz or zstd, in order; headers may hold any bytes.

    GdeError for what `line_blocks` and `fasta_records` refuse, and for a last record without residues: the file was
    cut.
    """
    blocks, last = line_blocks(path, expected, remedy=remedy, size=size, utf8=False), None
    for last in fasta_records(blocks, path, expected, remedy):
        yield last
    if not last.texts[-1]:
        name = last.headers[-1][:60].decode("latin-1")
        where = f"{path}: record {last.first + len(last) - 1} ({name})"
        raise bad(where, "no residues", "a sequence", f"the file was cut: {remedy}")


def fasta_records(blocks: Iterable[bytes], path: Path, expected: str, remedy: str) -> Iterator[FastaBlock]:
    """The records of a file's blocks, which are whole lines, in order; residues stand on one line or on several, and a
    record may have none.

    path, expected, remedy : for messages. GdeError for a first line that is no header, and a record of more than
    LONGEST_RECORD bytes.
    """
    rest, held, first, begun = [], 0, 1, False  # blocks of a record that is not whole, and their bytes
    for block in blocks:
        if b"\r" in block:
            block = block.replace(b"\r\n", b"\n")
        if not begun:
            block = block.removeprefix(b"\xef\xbb\xbf")
            if not block.startswith(b">"):
                shown = block.split(b"\n", 1)[0][:40].decode("latin-1")
                raise bad(f"{path}: line 1", repr(shown), f"a header that begins with >: {expected}", remedy)
            begun = True
        cut = block.rfind(b"\n>") + 1
        if cut or (rest and block.startswith(b">")):
            out = _records(b"".join([*rest, block[:cut]]), first)
            first += len(out)
            yield out
            rest, held = [], 0
        rest.append(block[cut:])
        held += len(rest[-1])
        if held > LONGEST_RECORD:
            raise bad(f"{path}: record {first}", f"more than {LONGEST_RECORD} bytes", expected, remedy)
    if rest:
        yield _records(b"".join(rest), first)


def _records(text: bytes, first: int) -> FastaBlock:
    """Records of a text that begins with > and ends with a line feed."""
    lines = text[:-1].split(b"\n")
    begins = b"".join([line[:1] or b"\n" for line in lines])
    if len(lines) % 2 == 0 and begins[::2] == b">" * (len(lines) // 2) and b">" not in begins[1::2]:
        return FastaBlock(first, [line[1:] for line in lines[::2]], lines[1::2])
    headers, texts = [], []  # residues on several lines
    for record in text[1:-1].split(b"\n>"):
        header, _, residues = record.partition(b"\n")
        headers.append(header)
        texts.append(residues.replace(b"\n", b""))
    return FastaBlock(first, headers, texts)
