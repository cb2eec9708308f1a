"""The CpG dictionary: CpGs of a genome numbered from 1 through all contigs, and what stands before them."""

import re
from dataclasses import dataclass

import numpy as np

from gde.errors import GdeError, bad
from gde.readers.genome import MARGIN, Genome

CHROMOSOME = re.compile(r"(?:chr)?(\d+|X|Y|MT?)")
LAST = {"X": 10_000, "Y": 10_001, "M": 10_002, "MT": 10_002}
ORDERS = ("file", "chromosomes")


@dataclass(frozen=True)
class Numbering:
    """An order of contigs: number i + 1 is that of the first CpG of a contig, i = `start`, up to `stop`."""

    order: str
    contigs: np.ndarray  # of the genome, in this order
    start: np.ndarray  # (contigs,) by position in the order
    stop: np.ndarray
    start_of: np.ndarray  # by the genome's contig, -1 for one that has no numbers


def numbering(genome: Genome, order: str) -> Numbering:
    """`file`: contigs as in the FASTA file; `chromosomes`: 1, 2, ..., X, Y, M and no others, as wgbstools numbers."""
    contigs = np.arange(len(genome.names))
    if order == "chromosomes":
        found = {i: match[1] for i, name in enumerate(genome.names) if (match := CHROMOSOME.fullmatch(name))}
        contigs = np.array(sorted(found, key=lambda i: LAST.get(found[i]) or int(found[i])), np.int64)
    stop = np.cumsum(genome.counts[contigs])
    start = stop - genome.counts[contigs]
    start_of = np.full(len(genome.names), -1)
    start_of[contigs] = start
    return Numbering(order, contigs, start, stop, start_of)


class CpGs:
    """Positions of numbered CpGs in a genome.

    order : `file` or `chromosomes` (`numbering`), or `auto`: the first of them that all numbers so far agree with.
    """

    def __init__(self, genome: Genome, order: str = "auto"):
        self.genome = genome
        self.numberings = [numbering(genome, name) for name in (ORDERS if order == "auto" else (order,))]
        self.contig = {name: i for i, name in enumerate(genome.names)}
        self.seen = np.zeros(len(genome.names), bool)

    @property
    def numbers(self) -> Numbering:
        """The numbering in use."""
        return self.numberings[0]

    @property
    def total(self) -> int:
        """Largest number."""
        return int(self.numbers.stop[-1])

    def codes(self, names: list[str], where: str) -> np.ndarray:
        """The genome's contig of each name. GdeError for one that it does not have."""
        for name in names:
            if name not in self.contig:
                raise bad(where, f"contig {name!r}", f"one of {self.genome.path.name}", self.remedy())
        return np.array([self.contig[name] for name in names], np.int64)

    def position(self, number: np.ndarray, contig: np.ndarray, length: np.ndarray, where) -> np.ndarray:
        """0-based position (m,) in its contig of the CpG of each number (m,), said to be on `contig` (m,) and followed
        by length - 1 more there.

        where : function from a row to its name. GdeError for numbers that are not of this genome.
        """
        for i, numbers in enumerate(self.numberings):
            unlike = (numbers.start_of != self.numbers.start_of) & self.seen
            row = first_misfit(self.genome, numbers, number, contig, length)
            if row is None and not unlike.any():
                self.numberings = self.numberings[i:]
                self.seen[contig] = True
                within = number - 1 - self.numbers.start_of[contig]
                return self.genome.cpgs[self.genome.first_cpg[contig] + within].astype(np.int64)
        row = first_misfit(self.genome, self.numbers, number, contig, length)
        row = 0 if row is None else row
        raise self.misfit(int(number[row]), int(contig[row]), int(length[row]), where(row))

    def misfit(self, number: int, contig: int, length: int, where: str) -> GdeError:
        """The error for a number that is not on its contig."""
        name, genome = self.genome.names[contig], self.genome.path.name
        if not 1 <= number <= self.total:
            return bad(where, f"CpG number {number}", f"1 to {self.total}, the CpGs of {genome}", self.remedy())
        start = int(self.numbers.start_of[contig])
        own = f"{start + 1} to {start + self.genome.counts[contig]}" if start >= 0 else "no CpG"
        found = f"CpG number {number}" + (f" and {length - 1} more" if length > 1 else "") + f" on {name}"
        return bad(where, found, f"{own} there, as in {genome}", self.remedy())

    def remedy(self) -> str:
        tried = "" if len(self.numberings) > 1 else f", or another dataset.contigs than '{self.numbers.order}'"
        return f"give the genome that the file was made with{tried}"

    def number(self, contig: int, index: int) -> int:
        """Number of the CpG of position `index` among those of a contig, by the numbering in use."""
        return int(self.numbers.start_of[contig]) + index + 1

    def upstream(self, contig: np.ndarray, position: np.ndarray, length: int) -> np.ndarray:
        """The `length` <= MARGIN bases before each position: tokens (m, length) uint8, N beyond the contig's
        edge."""
        if length > MARGIN:
            raise ValueError(f"found a length of {length}, expected at most {MARGIN}")
        windows = np.lib.stride_tricks.sliding_window_view(self.genome.bases, length)
        return windows[self.genome.first[contig] + position - length]


def first_misfit(genome: Genome, numbers: Numbering, number, contig, length) -> int | None:
    """The first row whose numbers are not all on its contig; None where every one is."""
    start = numbers.start_of[contig]
    wrong = (start < 0) | (number <= start) | (number + length - 1 > start + genome.counts[contig])
    return int(wrong.argmax()) if wrong.any() else None
