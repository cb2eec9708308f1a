"""A genome from its FASTA file: bases and CpGs of every contig in files that are mapped, made once for each."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np

from gde.errors import bad
from gde.files.io import atomic_dir, read_json, sha256_file, verify_sums, write_json
from gde.readers.text_lines import line_blocks

BASES = b"ACGTN"  # their numbers count from 1: the tokens of DNA (`gde.sets.types.alphabet`)
C, G, T, N = (BASES.index(base) + 1 for base in b"CGTN")
ILLEGAL = 255  # number of a byte that is no residue
MARGIN = 512  # N before each contig, so that what lies upstream of its first bases needs no rule of its own
AMBIGUOUS = b"RYSWKMBDHVryswkmbdhv"  # further codes of the International Union (a few in hg38): any residue
REMEDY = "get the genome again, e.g. hg38.fa.gz of UCSC"
EXPECTED = "a FASTA file"
TOKENS, CPGS, TABLE = "bases.bin", "cpgs.bin", "contigs.json"


def token_table() -> np.ndarray:
    """Token of each byte of a genome (256,) uint8, in either case; ambiguous bases are N."""
    table = np.full(256, ILLEGAL, np.uint8)
    for token, base in enumerate(BASES, 1):
        table[[base, base | 32]] = token
    table[np.frombuffer(AMBIGUOUS, np.uint8)] = N
    return table


@dataclass(frozen=True)
class Genome:
    """Contigs in the order of the file.

    bases : tokens (uint8) of all contigs, MARGIN of N before each; `first[i]`: position of the first residue of
        contig i
    cpgs    : 0-based positions of the C of every CpG in its contig (int32), contig after contig; counts (contigs,)
    """

    path: Path
    names: list[str]
    lengths: np.ndarray
    counts: np.ndarray
    bases: np.ndarray
    cpgs: np.ndarray

    @property
    def first(self) -> np.ndarray:
        return np.cumsum(self.lengths + MARGIN) - self.lengths

    @property
    def first_cpg(self) -> np.ndarray:
        """Place in `cpgs` of the first one of each contig."""
        return np.cumsum(self.counts) - self.counts

    def cpgs_of(self, contig: int) -> np.ndarray:
        """0-based positions (counts[contig],) of the CpGs of a contig."""
        start = self.first_cpg[contig]
        return self.cpgs[start : start + self.counts[contig]]


def open_genome(fasta: Path, folder: Path) -> Genome:
    """The genome of a FASTA file, plain or gzip; its mapped files are made in `folder` unless they are there.

    They are named by the digest of the FASTA file. Raises GdeError naming file and line of what is wrong with it.
    """
    fasta = Path(fasta)
    if fasta.is_file():
        cache = folder / f".genome-{sha256_file(fasta)[:16]}"
        if not (cache / TABLE).is_file():
            with atomic_dir(cache) as tmp:
                scan(fasta, tmp)
        else:
            verify_sums(cache, f"delete {cache}")
        table = read_json(cache / TABLE)
        lengths, counts = (np.array(table[key], np.int64) for key in ("lengths", "cpgs"))
        maps = [np.memmap(cache / name, dtype, "r") for name, dtype in ((TOKENS, np.uint8), (CPGS, np.int32))]
        return Genome(fasta, table["names"], lengths, counts, *maps)
    next(line_blocks(fasta, EXPECTED, remedy=REMEDY))  # says why there is no file
    raise AssertionError(fasta)


def scan(fasta: Path, out: Path) -> None:
    """Write bases, CpGs and the table of contigs of a FASTA file into the directory `out`."""
    with (out / TOKENS).open("wb") as bases, (out / CPGS).open("wb") as cpgs:
        scanner = Scanner(fasta, bases, cpgs)
        for block in line_blocks(fasta, EXPECTED, remedy=REMEDY, size=1 << 24):
            scanner.add(block)
        scanner.end_record()
    if not sum(scanner.counts):
        raise bad(fasta, "no CpG", "a genome", REMEDY)
    check_index(fasta, scanner)
    table = {"fasta": fasta.name, "names": scanner.names, "lengths": scanner.lengths, "cpgs": scanner.counts}
    write_json(out / TABLE, table)


@dataclass
class Scanner:
    """What is known of a FASTA file after the blocks that were added; GdeError names file and line."""

    path: Path
    bases: IO[bytes]
    cpgs: IO[bytes]
    names: list[str] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    line: int = 0  # lines before the block
    blank: int | None = None  # the first of the empty lines that end what was read, from 0
    places: np.ndarray | None = None  # line of the block of those that are not empty; None: all
    width: int = 0  # of the record's lines; 0 before the first
    ended: bool = False  # a shorter line was seen, which must be the record's last
    last: int = N  # the residue before the next one

    def __post_init__(self):
        self.table = token_table()

    def add(self, block: bytes) -> None:
        """The next whole lines."""
        text = np.frombuffer(block, np.uint8)
        stop = np.flatnonzero(text == ord("\n"))
        start = np.r_[0, stop[:-1] + 1]
        if (text == ord("\r")).any():
            at = int(np.searchsorted(stop, (text == ord("\r")).argmax()))
            raise self.wrong(at, "a carriage return", "lines that end with a line feed", "convert it with dos2unix")
        lines, self.places = len(stop), None
        if self.blank is not None or (start == stop).any():
            start, stop = self.without_blank_lines(text, start, stop)
        heads = np.flatnonzero(text[start] == ord(">"))
        if not len(start):
            self.line += lines
            return
        if not self.names and (not len(heads) or heads[0]):
            raise self.wrong(0, "bases before the first header", "a line that begins with >", REMEDY)
        for i, j in self.runs(heads, len(start)):
            if i in heads:
                self.header(i, block[start[i] : stop[i]])
                i += 1
            if i < j:
                self.sequence(i, text[start[i] : stop[j - 1]], stop[i:j] - start[i:j])
        self.line += lines

    def without_blank_lines(self, text: np.ndarray, start: np.ndarray, stop: np.ndarray):
        """Begins and ends of the lines that are not empty. GdeError for an empty line elsewhere than before a header or
        at the end of the file."""
        kept, blank = np.flatnonzero(start != stop), np.flatnonzero(start == stop)
        behind = np.searchsorted(kept, blank)
        if self.blank is not None:
            blank, behind = np.r_[self.blank - self.line, blank], np.r_[0, behind]
        inside = behind < len(kept)
        wrong = text[start[kept[behind[inside]]]] != ord(">")
        if wrong.any():
            at = int(blank[inside][wrong.argmax()])
            raise self.wrong(at, "an empty line", "a header or bases", REMEDY)
        self.blank = None if inside.all() else self.line + int(blank[~inside][0])
        self.places = kept
        return start[kept], stop[kept]

    @staticmethod
    def runs(heads: np.ndarray, lines: int) -> Iterator[tuple[int, int]]:
        """First line and stop of each piece of a record in the block."""
        starts = heads.tolist() if len(heads) and heads[0] == 0 else [0, *heads.tolist()]
        return zip(starts, [*starts[1:], lines], strict=True)

    def header(self, at: int, text: bytes) -> None:
        name = re.split(rb"[ \t]", text[1:], maxsplit=1)[0].decode(errors="replace")
        self.end_record()
        if not name or name in self.names:
            found = f"a second record {name!r}" if name else "a header without a name"
            raise self.wrong(at, found, "each contig once, by its name", REMEDY)
        self.names.append(name)
        self.lengths.append(0)
        self.counts.append(0)
        self.bases.write(bytes([N]) * MARGIN)
        self.width, self.ended, self.last = 0, False, N

    def end_record(self) -> None:
        """Refuse a record without bases: the file was cut, or the header is no header."""
        if self.names and not self.lengths[-1]:
            raise bad(f"{self.path}: {self.names[-1]}", "a record without bases", "bases", f"it was cut: {REMEDY}")

    def sequence(self, at: int, text: np.ndarray, widths: np.ndarray) -> None:
        """Lines of bases, from line `at` of the block on."""
        self.width = self.width or int(widths[0])
        # Every line of a record but its last is as long as its first: a gap in the file would show here.
        odd = np.r_[widths[:-1] != self.width, widths[-1] > self.width]
        if self.ended or odd.any():
            line = 0 if self.ended else int(odd.argmax()) + int(widths[odd.argmax()] < self.width)
            found = f"a line after one that is shorter than the {self.width} bases of the others"
            if not self.ended and widths[odd.argmax()] > self.width:
                found = f"a line of {widths[odd.argmax()]} bases after lines of {self.width}"
            raise self.wrong(at + line, found, "lines of one length in a record, its last but excepted",
                             f"it was cut within a record: {REMEDY}")  # fmt: skip
        self.ended = bool(widths[-1] < self.width)
        tokens = self.table[text[text != ord("\n")]]
        if (tokens == ILLEGAL).any():
            raw = text[text != ord("\n")]
            position = int((tokens == ILLEGAL).argmax())
            line = int(np.searchsorted(np.cumsum(widths), position, side="right"))
            raise self.wrong(at + line, repr(chr(raw[position])), "bases of DNA (A, C, G, T, N)", REMEDY)
        joined = np.r_[np.uint8(self.last), tokens]
        hits = np.flatnonzero((joined[:-1] == C) & (joined[1:] == G)) - 1 + self.lengths[-1]
        self.cpgs.write(hits.astype(np.int32).tobytes())
        self.bases.write(tokens.tobytes())
        self.counts[-1] += len(hits)
        self.lengths[-1] += len(tokens)
        self.last = int(tokens[-1])

    def wrong(self, at: int, found: str, expected: str, remedy: str):
        """The error for line `at` of the block."""
        record = f" ({self.names[-1]})" if self.names else ""
        at = at if self.places is None else int(self.places[at])
        return bad(f"{self.path}: line {self.line + at + 1}{record}", found, expected, remedy)


def check_index(fasta: Path, scanner: Scanner) -> None:
    """Compare with the .fai file of samtools where there is one: nothing else tells of a cut between two lines."""
    index = fasta.with_name(f"{fasta.name}.fai")
    if not index.is_file():
        return
    rows = (line.split("\t") for line in index.read_text(errors="replace").splitlines())
    expected = {row[0]: row[1] for row in rows if len(row) > 1}
    found = {name: str(length) for name, length in zip(scanner.names, scanner.lengths, strict=True)}
    for name in [*expected, *found]:
        if expected.get(name) != found.get(name):
            told = f"{found.get(name, 'no')} bases of {name}"
            raise bad(fasta, told, f"{expected.get(name, 'none')}, as in {index.name}", f"it was cut: {REMEDY}")
