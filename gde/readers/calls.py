"""Methylation calls: what an alignment of bisulfite reads says of the CpGs that it covers: methylated (C), not (T),
unknown ('.')."""

import re
from pathlib import Path
from typing import Any

import numpy as np

from gde.errors import bad
from gde.readers.genome import Genome

CALL = re.compile("[zZ]")
OTHER = re.compile("[^zZxXhHuU.]")  # none of Bismark's: BS-Seeker2's XM has X, Y, Z for its Z, X, H, and - for a point
STRANDS = {"f": "f", "r": "r", "CT": "f", "GA": "r"}  # of YD, and of XG: which strand was converted
READ_AS = {"f": {"C": "C", "T": "T"}, "r": {"G": "C", "A": "T"}}
ALIGNED = (0, 7, 8)  # CIGAR M, = and X
ON_READ, ON_GENOME = (0, 1, 4, 7, 8), (0, 2, 3, 7, 8)
WITHOUT = "align with Bismark, bwa-meth or DRAGEN, or call methylation first and give a .pat.gz file"


class Calls:
    """Calls of the alignments on one contig; `path` is for messages."""

    def __init__(self, genome: Genome, contig: int, path: Path, min_quality: int):
        self.positions = np.asarray(genome.cpgs_of(contig))
        self.name, self.genome = genome.names[contig], genome.path.name
        self.path, self.min_quality = path, min_quality

    def of(self, read: Any) -> dict[int, str]:
        """Index of a CpG on the contig -> C, T or '.', for all CpGs that the alignment calls.

        GdeError for one without the tags XM, YD or XG, or whose calls are not at CpGs of the genome.
        """
        residues = read.query_sequence
        if residues is None:
            raise self.wrong(read, "no residues", "a read with its sequence", "keep the sequences in the BAM file")
        start, stop = np.searchsorted(self.positions, (read.reference_start - 1, read.reference_end))
        if start == stop and not read.has_tag("XM"):
            self.strand(read)
            return {}
        index = {int(p): i for i, p in enumerate(self.positions[start:stop], int(start))}
        found = self.bismark(read, residues, index) if read.has_tag("XM") else self.compared(read, residues, index)
        quality = read.query_qualities
        if quality is None or not self.min_quality:
            return {i: residue for i, (residue, _) in found.items()}
        return {i: residue if quality[q] >= self.min_quality else "." for i, (residue, q) in found.items()}

    def bismark(self, read: Any, residues: str, index: dict[int, int]) -> dict[int, tuple[str, int]]:
        """Calls of the tag XM, a residue for each of the read: Z methylated, z not, at a CpG's C or, on the other
        strand, its G."""
        told = read.get_tag("XM")
        if len(told) != len(residues):
            raise self.wrong(read, f"{len(told)} residues in the tag XM", f"{len(residues)}, as in the read", WITHOUT)
        if other := OTHER.search(told):
            found = f"{other[0]!r} in the tag XM, as BS-Seeker2 writes it"
            raise self.wrong(read, found, "that of Bismark: z, x, h, u, either case, and points", WITHOUT)
        blocks, out = aligned(read), {}
        for match in CALL.finditer(told):
            q = match.start()
            p = next((p + q - b for b, p, n in blocks if b <= q < b + n), None)
            if p is None:
                continue
            i = index.get(p, index.get(p - 1))
            if i is None:
                remedy = "give the genome that the reads were aligned to"
                raise self.wrong(read, f"a call (XM) at {self.name}:{p + 1}", f"a CpG of {self.genome} there", remedy)
            out[i] = "C" if match[0] == "Z" else "T", q
        return out

    def compared(self, read: Any, residues: str, index: dict[int, int]) -> dict[int, tuple[str, int]]:
        """Calls from the residues themselves, given which strand was converted."""
        strand = self.strand(read)
        shift, meaning, out = (0 if strand == "f" else 1), READ_AS[strand], {}
        blocks = aligned(read)
        for position, i in index.items():
            p = position + shift
            q = next((b + p - s for b, s, n in blocks if s <= p < s + n), None)
            if q is not None:
                out[i] = meaning.get(residues[q].upper(), "."), q
        return out

    def strand(self, read: Any) -> str:
        """f or r, by the tag YD, else XG. GdeError where there is none."""
        for tag in ("YD", "XG"):
            if read.has_tag(tag) and read.get_tag(tag) in STRANDS:
                return STRANDS[read.get_tag(tag)]
        raise self.wrong(read, "neither the tag XM nor YD or XG", "reads of a bisulfite aligner", WITHOUT)

    def wrong(self, read: Any, found: str, expected: str, remedy: str):
        return bad(f"{self.path}: read {read.query_name}", found, expected, remedy)


def aligned(read: Any) -> list[tuple[int, int, int]]:
    """Aligned blocks of a read: first residue of the read, first position on the contig, length."""
    out, q, p = [], 0, read.reference_start
    for kind, n in read.cigartuples or ():
        if kind in ALIGNED:
            out.append((q, p, n))
        q += n if kind in ON_READ else 0
        p += n if kind in ON_GENOME else 0
    return out
