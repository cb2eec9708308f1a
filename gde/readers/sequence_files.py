"""A user's sequences, from FASTA, FASTQ, CSV or TSV, plain or gzip, read strictly, some thousand records at a time.

Parsers are lenient about what stands between and before records, so lines are checked before they see them, and records
behind them. `gde.readers.fasta` parses FASTA: dnaio refuses headers beyond ASCII, pysam ends residues at a NUL byte,
and both take a record that was cut for a whole one. Biopython parses FASTQ.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from gde.errors import GdeError, bad
from gde.files.sniffing import CONVERT, NOT_UTF8, check_file, encoding, kind_of, other_file
from gde.readers.delimited import read_rows
from gde.readers.fasta import BLOCK, fasta_records
from gde.readers.hdf5 import unknown
from gde.readers.header_fields import NAME, NoFit, header_parser
from gde.readers.missing import WORDS, first_missing
from gde.readers.text_lines import line_blocks

FASTA, FASTQ, TABLE = (".fasta", ".fa", ".fna", ".ffn", ".faa", ".fas"), (".fastq", ".fq"), (".csv", ".tsv", ".tab")
ENDINGS = (*FASTA, *FASTQ, *TABLE)
PACKED = (".gz", ".bgz")
EXPECTED = "sequences: FASTA, FASTQ, CSV or TSV, plain or gzip"
REMEDY = "get the file again; if it is whole, end its last line"
RECORDS = 16_384  # that are handed on together
BOM = b"\xef\xbb\xbf"
BLANK_LINES = re.compile(rb"\n(?:[ \t\r\v\f]*\n)+")
BLANKS_AT_END = re.compile(rb"[ \t\r\v\f]+\n")
BLANKS = (b" \n", b"\t\n", b"\r\n", b"\v\n", b"\f\n")
BLANK_BEGINS = re.compile(rb"\n\s")  # quicker to find
SHOWN = 60  # characters of a header in a message


def ending_of(path: str | Path) -> str | None:
    """The ending, without that of gzip, of a file of sequences; None for other files."""
    name = Path(path).name.lower()
    for packed in PACKED:
        name = name.removesuffix(packed)
    return next((e for e in ENDINGS if name.endswith(e)), None)


@dataclass
class Records:
    """Records one after the other: number of the first one in the file (from 1), names, sequences as text, and the
    columns that were asked for."""

    first: int
    names: list[str]
    texts: list[str]
    columns: dict[str, list[str]]

    def __len__(self) -> int:
        return len(self.texts)


class SequenceFile:
    """The records of a file; `chunks()` may be called again and again.

    wanted : columns (of a header's fields, or of the table).   fields : see `header_fields`.   sequence : a table's
    column of sequences.   name : column or field of the names; None = a header's own, a table's row number.
    fixed : `fields` are those of a public file, and no setting that messages could point to.
    GdeError for a file that is absent or of another kind, and columns that it has not.
    """

    def __init__(
        self,
        path: Path,
        wanted: Sequence[str] = (),
        *,
        fields: str | None = None,
        sequence: str = "sequence",
        name: str | None = None,
        fixed: bool = False,
    ):
        self.fixed = fixed
        self.path, self.wanted, self.sequence, self.name = path, list(dict.fromkeys(wanted)), sequence, name
        check_file(path, EXPECTED, "correct the path")
        ending = ending_of(path)
        if ending is None:
            found = f"the ending {''.join(path.suffixes) or 'of no kind'!r}"
            raise bad(path, found, f"one of {', '.join(ENDINGS)}, perhaps with .gz", "rename the file for its format")
        kind = kind_of(path)
        if kind not in ("text", "a gzip file") or (kind == "text") == (path.suffix.lower() in PACKED):
            raise other_file(path, EXPECTED, "give the file of sequences itself; .gz ends the names of packed ones")
        self.table = ending in TABLE
        self.delimiter = "," if ending == ".csv" else "\t"
        self.mark = None if self.table else ">" if ending in FASTA else "@"
        if self.table and fields is not None:
            raise bad("dataset.fields", repr(fields), "null for a table", "its columns are the fields: remove the key")
        self._parse, known = header_parser(fields)
        if not self.table and known is not None:
            for column in self._columns():
                if column not in known:
                    raise unknown(f"{path}: what its headers tell by dataset.fields", column, known)

    def _columns(self) -> list[str]:
        return [*self.wanted, *([] if self.name in (None, *self.wanted) else [self.name])]

    def where(self, record: int, name: str | None = None) -> str:
        """How messages call a record."""
        own = "" if name is None or (self.table and self.name is None) else f" ({_short(name)})"
        return f"{self.path}: {'row' if self.table else 'record'} {record}{own}"

    def chunks(self, size: int = RECORDS) -> Iterator[Records]:
        """All records in order. GdeError naming the record: a file that is cut, damaged or empty, blank lines, a record
        without a name or sequence, quality of another length, a missing or empty field, rows of unequal length."""
        records, first = self._rows() if self.table else self._records(), 1
        while some := list(islice(records, size)):
            names, texts, values = zip(*some, strict=True)
            columns = dict(zip(self.wanted, map(list, zip(*values, strict=True)), strict=True)) if self.wanted else {}
            yield Records(first, list(names), list(texts), columns)
            first += len(some)
        if first == 1:
            raise bad(self.path, "no record" if self.mark else "no row below the header", EXPECTED, "get it again")

    def _records(self) -> Iterator[tuple[str, str, list[str]]]:
        for number, (header, text) in enumerate(self._fasta() if self.mark == ">" else self._fastq(), 1):
            if not header.strip():
                raise bad(self.where(number), "a header without a name", f"{self.mark}name", "name the sequence")
            try:
                values = self._parse(header)
            except NoFit as e:
                remedy = "correct the header" if self.fixed else "correct the header, or dataset.fields"
                raise bad(self.where(number), f"the header {_short(header)!r}", str(e), remedy) from e
            yield self._checked(number, values, text)

    def _fasta(self) -> Iterator[tuple[str, str]]:
        """Headers and residues; spaces among these, and blanks at the end of lines, do not count."""
        blocks = map(_without_blanks_at_ends, text_blocks(self.path, self.mark, BLOCK))
        for records in fasta_records(blocks, self.path, EXPECTED, REMEDY):
            for header, text in zip(records.headers, records.texts, strict=True):
                if b" " in text:
                    text = text.replace(b" ", b"")
                yield header.decode(), text.decode()

    def _fastq(self) -> Iterator[tuple[str, str]]:
        from Bio.SeqIO.QualityIO import FastqGeneralIterator

        lines, number = Lines(self.path, self.mark), 0
        parsed = FastqGeneralIterator(lines)
        while True:
            number += 1
            try:
                record = next(parsed, None)
            except GdeError:  # the file's, which says more
                raise
            except ValueError as e:  # Biopython's
                found = f"no whole FASTQ record ({str(e).rstrip('.')})"
                raise bad(f"{self.where(number)}, before line {lines.number}", found, "whole records", REMEDY) from e
            if record is None:
                return
            yield record[0], record[1]

    def _checked(self, number: int, values: dict[str, str], text: str) -> tuple[str, str, list[str]]:
        for column in self._columns():
            bare = values.get(column, "").strip()
            if bare in WORDS and column in self.wanted:
                _, found, remedy = first_missing([bare])
                raise bad(f"{self.where(number, values.get(NAME))}, {column}", found, "a value", remedy)
            if not bare:
                found = f"no value of {column!r}" if column in values else f"no {column!r}"
                known = ", ".join(f"{k}={v}" for k, v in values.items())
                expected = f"one in every record (there are {_short(known)})"
                other = "" if self.table or self.fixed else ", or set dataset.fields to how headers are written"
                remedy = f"fill it in, take the record out{other}"
                raise bad(self.where(number, values.get(NAME)), found, expected, remedy)
        name = values[self.name or NAME]
        if not text:
            raise bad(
                self.where(number, name), "no residues", "a sequence", "take the record out, or get the file again"
            )
        return name, text, [values[column] for column in self.wanted]

    def _rows(self) -> Iterator[tuple[str, str, list[str]]]:
        rows = read_rows(Lines(self.path, None), self.delimiter, self.path)
        header = next(rows, None)
        if header is None:
            return
        if twice := [n for n in header if header.count(n) > 1]:
            raise bad(self.path, f"the column {twice[0]!r} twice", "distinct column names", "rename one")
        for column in (self.sequence, *self._columns()):
            if column not in header:
                raise unknown(f"{self.path}: columns", column, header)
        for number, row in enumerate(rows, 1):
            values = dict(zip(header, row, strict=True))
            text = values[self.sequence].strip()
            yield self._checked(number, {NAME: str(number), **values}, text)


class Lines:
    """Lines of a text file for a parser, their ends \\n. Arguments and GdeError as of `text_blocks`."""

    def __init__(self, path: Path, mark: str | None):
        self.path, self.mark, self.number = path, mark, 0
        self._lines = self._read()

    def __iter__(self) -> Iterator[str]:
        return self._lines

    def readline(self) -> str:
        return next(self._lines, "")

    def read(self, size: int) -> str:
        """Nothing: parsers ask for no characters to learn whether these are text."""
        if size:
            raise ValueError("Lines are read line by line")
        return ""

    def _read(self) -> Iterator[str]:
        for block in text_blocks(self.path, self.mark):
            for line in block.decode().split("\n")[:-1]:
                self.number += 1
                yield line + "\n"


def text_blocks(path: Path, mark: str | None, size: int = 1 << 20) -> Iterator[bytes]:
    """Blocks of whole lines of a text file in UTF-8, their ends \\n also in a Windows file, without the blank lines at
    its end and, in FASTA, before headers, where answers of NCBI's efetch have them.

    mark : what the first line begins with; None = anything. GdeError for a damaged or cut file, for bytes that are no
    text, and for blank lines elsewhere.
    """
    number, blank = 0, None  # lines before the block; the blank line that ends the block before, whatever follows
    for block in line_blocks(path, EXPECTED, remedy=REMEDY, size=size):
        _check_text(path, number, block)
        lines = block.count(b"\n")
        if b"\r" in block:
            block = block.replace(b"\r\n", b"\n")
        if number == 0:
            block = block.removeprefix(BOM)
            _check_first(path, mark, block)
        text = b"\n" + block
        runs = list(BLANK_LINES.finditer(text)) if BLANK_BEGINS.search(text) else []
        if blank is not None and not (runs and runs[0].start() == 0):
            _check_blank(path, mark, blank, block)
            blank = None
        for run in runs:
            first = number + 1 + text.count(b"\n", 0, run.start())
            blank = blank or first
            if run.end() < len(text):
                _check_blank(path, mark, blank, text[run.end() :])
                blank = None
        if runs:
            stops = [run.start() + 1 for run in runs]
            starts = [0, *(run.end() for run in runs)]
            block = b"".join(text[a:b] for a, b in zip(starts, [*stops, len(text)], strict=True))[1:]
        if block:
            yield block
        number += lines


def _check_first(path: Path, mark: str | None, block: bytes) -> None:
    """GdeError for a first line that is neither blank nor begins with the mark."""
    first = block[: block.index(b"\n")]
    if mark and first.strip() and not first.startswith(mark.encode()):
        remedy = "name the file for its format: .fasta or .fastq (.gz), .csv, .tsv"
        raise bad(f"{path}: line 1", repr(_short(first.decode())), f"a header that begins with {mark}", remedy)


def _check_blank(path: Path, mark: str | None, line: int, behind: bytes) -> None:
    """GdeError for a blank line with something else behind it than a header of FASTA."""
    if mark != ">" or not behind.startswith(b">"):
        where = f"{path}: line {line}"
        raise bad(
            where, "a blank line", "one before headers of FASTA alone" if mark == ">" else EXPECTED, "take it out"
        )


def _without_blanks_at_ends(block: bytes) -> bytes:
    if any(ends in block for ends in BLANKS):  # the expression alone takes longer than all the rest
        return BLANKS_AT_END.sub(b"\n", block)
    return block


def _check_text(path: Path, before: int, block: bytes) -> None:
    """GdeError for a block, behind that many lines, that is no text in UTF-8."""
    if b"\0" in block:
        number = before + 1 + block.count(b"\n", 0, block.index(b"\0"))
        remedy = CONVERT.get(encoding(block[:512]), "the file is damaged: get it again")
        raise bad(f"{path}: line {number}", "a NUL byte", "text", remedy)
    try:
        if not block.isascii():
            block.decode()
    except UnicodeDecodeError as e:
        number = before + 1 + block.count(b"\n", 0, e.start)
        raise bad(f"{path}: line {number}", "bytes that are not UTF-8", "text", CONVERT[NOT_UTF8]) from e


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."


def first_fault(records: Records, file: SequenceFile, index: int, found: str, expected: str, remedy: str) -> GdeError:
    """The error about one of the records."""
    return bad(file.where(records.first + index, records.names[index]), found, expected, remedy)
