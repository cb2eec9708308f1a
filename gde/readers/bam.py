"""Methylation reads from BAM files: calls of Bismark (tag XM), or residues of bwa-meth and others (tags YD, XG) against
the genome's CpGs. The mates of a pair are one read."""

from collections import deque
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from gde.errors import GdeError, bad
from gde.files.sniffing import check_file, kind_of, other_file
from gde.readers.calls import WITHOUT, Calls
from gde.readers.cpg import CpGs
from gde.readers.pat import Reads
from gde.readers.text_lines import AGAIN, check_bgzf_end

EXPECTED = "a BAM file of bisulfite (or enzymatic) reads, sorted by coordinate"
SEEKER = "seeker"  # BS-Seeker2 in a header
FLUSH = 20_000  # alignments after which what is complete is handed on


def read_bam(path: Path, cpgs: CpGs, options: dict[str, Any], ignored: Collection[str] = ()) -> Iterator[Reads]:
    """The reads of a BAM file as those of a .pat file: sorted, equal ones of one CpG counted.

    options : min_mapping_quality, min_base_quality, duplicates, secondary, max_fragment (`gde.config`). Residues of
    lower quality, residues that are neither call, and overlaps in which mates differ are '.'.
    ignored : contigs that are left out.
    Raises GdeError for a file that is cut or damaged, not sorted, of another genome, or without calls.
    """
    import pysam

    check_bam(path)
    silent = pysam.set_verbosity(0)  # what it would print is in our errors
    try:
        with pysam.AlignmentFile(str(path), "rb") as bam:
            check_header(path, bam.header, cpgs, ignored)
            yield from joined(path, bam, cpgs, options, ignored)
    except (OSError, ValueError, NotImplementedError) as e:
        if isinstance(e, GdeError):
            raise
        raise bad(path, f"a damaged file ({e})", EXPECTED, AGAIN) from e
    finally:
        pysam.set_verbosity(silent)


def check_bam(path: Path) -> None:
    """GdeError for what is no BAM file, or lost its end."""
    check_file(path, EXPECTED, AGAIN)
    if kind_of(path) != "a gzip file":
        raise other_file(path, EXPECTED, AGAIN)
    check_bgzf_end(path)


def check_header(path: Path, header: Any, cpgs: CpGs, ignored: Collection[str]) -> None:
    """GdeError for reads that are not sorted by coordinate, were aligned to another genome, or by BS-Seeker2, whose tag
    XM means other things than Bismark's."""
    order = header.to_dict().get("HD", {}).get("SO", "unknown")
    if order != "coordinate":
        raise bad(f"{path}: header", f"sort order '{order}'", "coordinate", "sort it: samtools sort")
    for program in header.to_dict().get("PG", []):
        if SEEKER in (told := " ".join(str(program.get(key, "")) for key in ("ID", "PN", "CL"))).lower():
            found = f"reads of BS-Seeker2 (@PG {told.strip()[:60]})"
            raise bad(f"{path}: header", found, "those of Bismark, bwa-meth or DRAGEN, whose tags are read", WITHOUT)
    length = dict(zip(cpgs.genome.names, cpgs.genome.lengths.tolist(), strict=True))
    for name, given in zip(header.references, header.lengths, strict=True):
        if name not in ignored and length.get(name, given) != given:
            found, remedy = f"contig {name} of {given} residues", "give the genome that the reads were aligned to"
            raise bad(f"{path}: header", found, f"{length[name]}, as in {cpgs.genome.path.name}", remedy)


def joined(path: Path, bam: Any, cpgs: CpGs, options: dict[str, Any], ignored: Collection[str] = ()) -> Iterator[Reads]:
    """Alignments of an open file as reads, contig by contig."""
    fragments, calls, rows, last = None, None, 0, (-1, -1)
    for i, read in enumerate(bam):
        if unused(read, options) or read.reference_name in ignored:
            continue
        here = read.reference_id, read.reference_start
        if here < last:
            raise bad(path, f"read {read.query_name} before the one in front of it", "reads sorted by coordinate",
                      "sort it: samtools sort")  # fmt: skip
        if here[0] != last[0]:
            if fragments is not None:
                yield from fragments.emit(None, rows)
                rows += fragments.emitted
            contig = int(cpgs.codes([read.reference_name], f"{path}: read {read.query_name}")[0])
            calls = Calls(cpgs.genome, contig, path, options["min_base_quality"])
            fragments = Fragments(cpgs, contig, calls.positions, options["max_fragment"])
        last = here
        fragments.add(read, calls.of(read))
        if i % FLUSH == FLUSH - 1:
            yield from fragments.emit(here[1], rows)
            rows += fragments.emitted
    if fragments is not None:
        yield from fragments.emit(None, rows)


def unused(read: Any, options: dict[str, Any]) -> bool:
    """Whether the options, or the aligner's flags, leave an alignment out."""
    return (
        read.is_unmapped
        or read.is_qcfail
        or read.mapping_quality < options["min_mapping_quality"]
        or (read.is_duplicate and not options["duplicates"])
        or ((read.is_secondary or read.is_supplementary) and not options["secondary"])
    )


class Fragments:
    """Reads of one contig that are not complete yet: mates that wait for each other, and counts of equal patterns."""

    def __init__(self, cpgs: CpGs, contig: int, positions: np.ndarray, longest: int):
        self.cpgs, self.contig, self.positions, self.longest = cpgs, contig, positions, longest
        self.waiting: dict[str, tuple[int, dict[int, str]]] = {}
        self.order: deque[tuple[int, str]] = deque()
        self.counts: dict[tuple[int, str], int] = {}
        self.emitted = 0

    def add(self, read: Any, calls: dict[int, str]) -> None:
        """One alignment with its calls: index of a CpG on the contig -> C, T or '.'."""
        start, name = read.reference_start, read.query_name
        while self.order and self.order[0][0] < start - self.longest:  # whose mate was left out
            self.close(self.order.popleft()[1])
        if read.is_paired and not (read.is_secondary or read.is_supplementary):
            if name in self.waiting:
                first = self.waiting.pop(name)[1]
                self.count(merged(first, calls))
                return
            near = start <= read.next_reference_start <= start + self.longest
            if near and not read.mate_is_unmapped and read.next_reference_id == read.reference_id:
                self.waiting[name] = start, calls
                self.order.append((start, name))
                return
        self.count(calls)

    def close(self, name: str) -> None:
        if name in self.waiting:
            self.count(self.waiting.pop(name)[1])

    def count(self, calls: dict[int, str]) -> None:
        """Add a whole read; unknown residues at its ends, and reads without a call, tell nothing."""
        known = [i for i, residue in calls.items() if residue != "."]
        if known:
            first, last = min(known), max(known)
            key = first, "".join(calls.get(i, ".") for i in range(first, last + 1))
            self.counts[key] = self.counts.get(key, 0) + 1

    def emit(self, reached: int | None, first: int) -> Iterator[Reads]:
        """The counts that nothing at or behind the position `reached` can add to; all of them where it is None."""
        bound = len(self.positions)
        if reached is None:
            for name in list(self.waiting):
                self.close(name)
            self.order.clear()
        else:
            bound = int(np.searchsorted(self.positions, reached - self.longest - 1))
        ready = sorted(key for key in self.counts if key[0] < bound)
        self.emitted = len(ready)
        if not ready:
            return
        length = np.array([len(pattern) for _, pattern in ready])
        number = np.array([self.cpgs.number(self.contig, index) for index, _ in ready])
        count = np.array([self.counts.pop(key) for key in ready])
        text = np.frombuffer("".join(pattern for _, pattern in ready).encode(), np.uint8)
        names, contig = [self.cpgs.genome.names[self.contig]], np.zeros(len(ready), np.int64)
        yield Reads(
            number, count, text, np.cumsum(length) - length, length, names, contig, first + np.arange(len(ready))
        )


def merged(a: dict[int, str], b: dict[int, str]) -> dict[int, str]:
    """The calls of two mates: a CpG of both counts once, and where they differ it is unknown."""
    out = a | b
    for i in a.keys() & b.keys():
        known = {a[i], b[i]} - {"."}
        out[i] = known.pop() if len(known) == 1 else "."
    return out
