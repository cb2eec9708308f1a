"""Methylation samples with a known truth: a genome, and reads of tissues as .pat.gz and as BAM files."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

RESIDUES = np.frombuffer(b"ACGT", np.uint8)
CONTIGS = {"chr1": 30_000, "chr2": 20_000, "chr10": 12_000, "chrX": 8_000, "chrUn_1": 2_000}
WIDTH = 60
READ = 150


@dataclass
class Truth:
    """What was simulated.

    sequence : contig -> residues (uint8).   places : contig -> 0-based CpGs.   reads : sample -> {(number, pattern):
    count}, numbered through contigs as in the file.   rate : tissue -> methylation of each of its samples' CpGs.
    """

    fasta: Path
    sequence: dict[str, np.ndarray]
    places: dict[str, np.ndarray]
    reads: dict[str, dict[tuple[int, str], int]] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)
    rate: dict[str, float] = field(default_factory=dict)

    def first(self, contig: str) -> int:
        """Number of the CpG before the first one of a contig."""
        names = list(self.places)
        return sum(len(self.places[name]) for name in names[: names.index(contig)])


def write_fasta(path: Path, sequence: dict[str, np.ndarray], width: int = WIDTH) -> None:
    with path.open("wb") as f:
        for name, residues in sequence.items():
            f.write(f">{name} simulated\n".encode())
            for i in range(0, len(residues), width):
                f.write(residues[i : i + width].tobytes() + b"\n")


def simulate_genome(folder: Path, contigs: dict[str, int] = CONTIGS, *, cpg: float = 0.04, seed: int = 0) -> Truth:
    """A genome of random residues with planted CpGs, a stretch of N and lower-case residues, one CpG near an edge."""
    rng = np.random.default_rng(seed)
    sequence, places = {}, {}
    for name, n in contigs.items():
        residues = RESIDUES[rng.integers(4, size=n)].copy()
        at = rng.choice(n - 2, int(cpg * n), replace=False)
        residues[at], residues[at + 1] = ord("C"), ord("G")
        residues[5:7] = list(b"CG")
        residues[n // 2 : n // 2 + 40] = ord("N")
        low = slice(n // 4, n // 4 + 500)
        residues[low] |= 32
        sequence[name] = residues
        upper = residues & ~np.uint8(32)
        places[name] = np.flatnonzero((upper[:-1] == ord("C")) & (upper[1:] == ord("G")))
    folder.mkdir(parents=True, exist_ok=True)
    write_fasta(folder / "genome.fa", sequence)
    return Truth(folder / "genome.fa", sequence, places)


def simulate_sample(
    truth: Truth,
    path: Path,
    rate: float,
    *,
    fragments: int = 400,
    unknown: float = 0.05,
    seed: int = 0,
    bam: bool = False,
) -> dict[tuple[int, str], int]:
    """Fragments with CpGs of one methylation: half of a read's CpGs follow the read's own state. Written to `path` as
    .pat.gz, and with `bam` to .XM.bam, .YD.bam and .XG.bam beside it, whose pairs of mates are these
    fragments.

    returns {(number, pattern): count}.
    """
    rng = np.random.default_rng(seed)
    names = list(truth.sequence)
    share = np.array([len(truth.sequence[n]) for n in names], float)
    records, reads = [], {}
    for i in range(fragments):
        name = names[rng.choice(len(names), p=share / share.sum())]
        length = int(rng.integers(READ, 2 * READ))
        start = int(rng.integers(len(truth.sequence[name]) - length))
        places = truth.places[name]
        strand = "fr"[int(rng.integers(2))]  # read at the C, or at the G of the other strand
        shift = 0 if strand == "f" else 1
        inside = np.flatnonzero((places + shift >= start) & (places + shift < start + length))
        state, own = rng.random() < rate, rng.random(len(inside)) < rate
        calls = np.where(rng.random(len(inside)) < 0.5, state, own)
        residues = np.where(rng.random(len(inside)) < unknown, ".", np.where(calls, "C", "T"))
        records.append((name, start, length, strand, inside, residues, f"f{i}"))
        known = np.flatnonzero(residues != ".")
        if len(known):
            cut = slice(known[0], known[-1] + 1)
            key = truth.first(name) + int(inside[cut][0]) + 1, "".join(residues[cut])
            reads[key] = reads.get(key, 0) + 1
    write_pat(path, truth, reads)
    if bam:
        for tag in ("XM", "YD", "XG"):
            write_bam(path.with_name(f"{path.name.removesuffix('.pat.gz')}.{tag}.bam"), truth, records, tag)
    truth.reads[path.name], truth.files[path.name] = reads, path
    return reads


def contig_of(truth: Truth, number: int) -> str:
    for name in truth.places:
        if number <= truth.first(name) + len(truth.places[name]):
            return name
    raise ValueError(number)


def pat_text(truth: Truth, reads: dict[tuple[int, str], int]) -> str:
    rows = sorted(reads.items())
    return "".join(f"{contig_of(truth, n)}\t{n}\t{pattern}\t{count}\n" for (n, pattern), count in rows)


def write_pat(path: Path, truth: Truth, reads: dict[tuple[int, str], int]) -> None:
    """As bgzip writes it."""
    import pysam

    with pysam.BGZFile(str(path), "wb") as f:
        f.write(pat_text(truth, reads).encode())


def write_bam(path: Path, truth: Truth, records: list, tag: str = "XM") -> None:
    """Pairs of mates, sorted: the calls of a fragment in XM of Bismark, or in residues with YD of bwa-meth or XG."""
    import pysam

    names = list(truth.sequence)
    header = {"HD": {"VN": "1.6", "SO": "coordinate"}, "SQ": [{"SN": n, "LN": len(truth.sequence[n])} for n in names]}
    out = []
    for name, start, length, strand, inside, residues, read in records:
        shift = 0 if strand == "f" else 1
        sequence = bytearray((truth.sequence[name][start : start + length] & ~np.uint8(32)).tobytes())
        told = bytearray(b"." * length)
        for index, residue in zip(inside, residues, strict=True):
            at = int(truth.places[name][index]) - start + shift
            sequence[at] = {"f": {"C": b"C", "T": b"T"}, "r": {"C": b"G", "T": b"A"}}[strand].get(residue, b"N")[0]
            told[at] = {"C": b"Z", "T": b"z"}.get(residue, b".")[0]
        mates = [(0, min(READ, length)), (max(0, length - READ), length)]  # they overlap where the fragment is short
        for k, (a, b) in enumerate(mates):
            segment = pysam.AlignedSegment()
            segment.query_name, segment.flag = read, (99, 147)[k]
            segment.reference_id, segment.reference_start, segment.mapping_quality = names.index(name), start + a, 60
            segment.next_reference_id, segment.next_reference_start = names.index(name), start + mates[1 - k][0]
            segment.cigartuples = [(0, b - a)]
            segment.query_sequence = sequence[a:b].decode()
            segment.query_qualities = [30] * (b - a)
            if tag == "XM":
                segment.set_tag("XM", told[a:b].decode())
            elif tag == "YD":
                segment.set_tag("YD", strand)
            elif tag == "XG":
                segment.set_tag("XG", {"f": "CT", "r": "GA"}[strand])
            out.append((segment.reference_id, segment.reference_start, len(out), segment))
    with pysam.AlignmentFile(str(path), "wb", header=header) as f:
        for _, _, _, segment in sorted(out, key=lambda r: r[:3]):
            f.write(segment)


def simulate_methylation(
    folder: Path, tissues: dict[str, float] | None = None, *, samples: int = 4, fragments: int = 400, seed: int = 0,
    bam: bool = False,
) -> Truth:  # fmt: skip
    """Samples of tissues of known methylation, under names as in GEO series GSE186458, with their genome."""
    tissues = tissues or {"Blood-T-CD4": 0.1, "Blood-NK": 0.35, "Liver-Hepatocytes": 0.65, "Cortex-Neuron": 0.9}
    truth = simulate_genome(folder, seed=seed)
    for t, (tissue, rate) in enumerate(tissues.items()):
        truth.rate[tissue] = rate
        for k in range(samples):
            i = t * samples + k
            name = f"GSM{9000000 + i}_{tissue}-Z{i:08d}.hg38.pat.gz"
            simulate_sample(truth, folder / name, rate, fragments=fragments, seed=seed + 100 + i, bam=bam)
    return truth


def table(truth: Truth) -> pd.DataFrame:
    """Sample, tissue and its methylation, one row for each file."""
    names = [name.removesuffix(".hg38.pat.gz") for name in truth.files]
    tissue = [name.split("_", 1)[1].rsplit("-", 1)[0] for name in names]
    return pd.DataFrame({"sample": names, "tissue": tissue, "rate": [truth.rate[t] for t in tissue]})
