"""Methylation reads from .pat files (wgbstools): contig, number of the first CpG, pattern, count; sorted by number.

Parsed as columns of whole blocks of text. An index beside the file (.csi) is not needed, and not read.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gde.errors import bad
from gde.readers.text_lines import AGAIN, line_blocks

EXPECTED = "a .pat.gz file: contig, CpG number, pattern, count, between tabs"
RESIDUES = b"CTH."
TAB, LF, CR, ZERO = b"\t\n\r0"
DIGITS = 9  # numbers have at most as many
SORT = "sort it with wgbstools, or by the second column"


@dataclass(frozen=True)
class Reads:
    """Some reads (m,) in the order of their file.

    number, count : number of the first CpG, and how many reads are like this.   text : residues of the patterns
        (uint8),
    at `start` and of `length`.   contig : code (m,) of each one's contig in `names`.   rows : the place (m,) of each in
    its file, from 0.
    """

    number: np.ndarray
    count: np.ndarray
    text: np.ndarray
    start: np.ndarray
    length: np.ndarray
    names: list[str]
    contig: np.ndarray
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.number)

    def take(self, wanted: np.ndarray) -> "Reads":
        """Some of them, by a mask (m,)."""
        own = {key: getattr(self, key)[wanted] for key in ("number", "count", "start", "length", "contig", "rows")}
        return replace(self, **own)


def read_pat(path: Path) -> Iterator[Reads]:
    """The reads of a .pat file (gzip, bgzip or plain), a block of lines at a time.

    Raises GdeError naming file and line for what is no such file, damaged, cut, or not sorted.
    """
    first, last = 0, 0
    for block in line_blocks(path, EXPECTED):
        reads = parse(block, path, first)
        before = np.r_[last, reads.number[:-1]]
        if (reads.number < before).any():
            row = int((reads.number < before).argmax())
            found = f"CpG {reads.number[row]} after CpG {before[row]}"
            raise bad(line(path, first + row), found, "numbers that do not fall", SORT)
        yield reads
        first, last = first + len(reads), int(reads.number[-1])


def line(path: Path, row: int) -> str:
    """Where a row stands, for messages."""
    return f"{path}: line {row + 1}"


def parse(block: bytes, path: Path, first: int) -> Reads:
    """The reads of whole lines, `first` of which is the row of the first one. GdeError as `read_pat`."""
    text = np.frombuffer(block, np.uint8)
    stop = np.flatnonzero(text == LF)
    begin = np.r_[0, stop[:-1] + 1]
    tabs = np.flatnonzero(text == TAB)
    check_lines(text, begin, stop, tabs, path, first)
    t = tabs.reshape(-1, 3).T
    number = numbers(text, t[0] + 1, t[1], "a CpG number", path, first)
    count = numbers(text, t[2] + 1, stop, "a count", path, first)
    for values, what in ((number, "CpG number"), (count, "count")):
        if (values < 1).any():
            row = int((values < 1).argmax())
            raise bad(line(path, first + row), f"the {what} {values[row]}", "1 or more", AGAIN)
    length = t[2] - t[1] - 1
    if (length < 1).any():
        raise bad(line(path, first + int((length < 1).argmax())), "no pattern", "residues C, T, H or .", AGAIN)
    names, contig = contigs(text, begin, t[0], path, first)
    return Reads(number, count, text, t[1] + 1, length, names, contig, first + np.arange(len(number)))


def check_lines(text, begin, stop, tabs, path: Path, first: int) -> None:
    """GdeError for the first line that does not have four columns."""
    if (text == CR).any():
        row = int(np.searchsorted(stop, (text == CR).argmax()))
        found, remedy = "a carriage return", "convert it with dos2unix"
        raise bad(line(path, first + row), found, "lines that end with a line feed", remedy)
    count = np.bincount(np.searchsorted(stop, tabs), minlength=len(stop))
    wrong = (count != 3) | (begin == stop)
    if wrong.any():
        row = int(wrong.argmax())
        found = "an empty line" if begin[row] == stop[row] else f"{count[row] + 1} columns"
        raise bad(line(path, first + row), found, "4: contig, CpG number, pattern, count", AGAIN)


def numbers(text: np.ndarray, start: np.ndarray, stop: np.ndarray, what: str, path: Path, first: int) -> np.ndarray:
    """Whole numbers (m,) int64 written at start..stop. GdeError for what is none."""
    size = stop - start
    out = np.zeros(len(start), np.int64)
    fine = (size >= 1) & (size <= DIGITS)
    for k in range(min(DIGITS, int(size.max(initial=0)))):  # the k-th digit from the right
        digit = text[np.maximum(stop - 1 - k, 0)].astype(np.int64) - ZERO
        there = size > k
        fine &= ~there | (digit >= 0) & (digit <= 9)
        out += np.where(there, digit, 0) * 10**k
    if not fine.all():
        row = int((~fine).argmax())
        found = repr(text[start[row] : stop[row]].tobytes().decode(errors="replace"))
        raise bad(line(path, first + row), f"{found} for {what}", f"a whole number of 1 to {DIGITS} digits", AGAIN)
    return out


def contigs(text: np.ndarray, start: np.ndarray, stop: np.ndarray, path: Path, first: int):
    """Names (k,) of the contigs in order of appearance and the code (m,) of each line's. GdeError for an empty name."""
    size = stop - start
    if (size < 1).any():
        raise bad(line(path, first + int((size < 1).argmax())), "no contig", "a name such as chr1", AGAIN)
    # Lines are sorted: where a name begins with the same bytes as the one before and is as long, it is that name.
    change = np.ones(len(start), bool)
    change[1:] = size[1:] != size[:-1]
    for k in range(int(size.max())):
        residue = text[np.minimum(start + k, stop)]
        change[1:] |= (residue[1:] != residue[:-1]) & (size[1:] > k)
    names: dict[str, int] = {}
    runs = np.flatnonzero(change)
    for row in runs:
        names.setdefault(text[start[row] : stop[row]].tobytes().decode(errors="replace"), len(names))
    code = [names[text[start[row] : stop[row]].tobytes().decode(errors="replace")] for row in runs]
    return list(names), np.repeat(code, np.diff(np.r_[runs, len(start)]))
