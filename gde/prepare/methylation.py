"""Methylation reads of many samples, from .pat.gz or BAM files: a group is a sample, a read a sequence of residues.

A read is what stands on the genome before its first CpG (`context` residues), then a residue for each of its CpGs: C
for a methylated one, T for one that is not, N where it is not known ('.' in the files, and H). A read of more CpGs than
`cpgs` is cut into pieces of as many, each with what stands before its own first one. Its weight is the read's count.
"""

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from gde.errors import bad
from gde.files.input_files import pattern_files
from gde.files.io import storage_errors
from gde.prepare.common.split import check_training, crossing, tell_crossing
from gde.prepare.common.write import origin, source_of
from gde.prepare.methylation_samples import Sample, hold_out, hold_out_by, samples_of
from gde.readers.bam import read_bam
from gde.readers.cpg import CpGs
from gde.readers.genome import C, N, T, open_genome
from gde.readers.pat import Reads, line, read_pat
from gde.sets.random import seed_of
from gde.sets.store.layout import SPLITS
from gde.sets.store.token_writer import TokenStoreWriter
from gde.sets.types.alphabet import ILLEGAL

log = logging.getLogger(__name__)
FIELDS = {"weight": "float32", "cpg": "int32"}  # numbers that every read keeps: its count, and its first CpG's number
PATTERN = np.full(256, ILLEGAL, np.uint8)  # token of each byte of a pattern
PATTERN[list(b"CTH.")] = C, T, N, N


def prepare(cfg: dict, out: Path, *, name: str, seed: int, provenance: dict | None = None) -> None:
    """Write the store of dataset `name` at `out` from the files of cfg['files'] and the genome cfg['genome'].

    groups : group = sample, tissue, tissue_coarse. Memory is constant in the number of reads. What is mapped of the
    genome is kept beside the store, for the next time. Raises GdeError for files that are damaged or do not fit the
    genome, and where too few samples are left.
    """
    out = Path(out)
    with storage_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    files = pattern_files(cfg)
    samples = samples_of(list(files.values()), cfg["samples"], cfg["coarse"])
    with storage_errors(out):
        cpgs = CpGs(open_genome(Path(cfg["genome"]).expanduser(), out.parent), cfg["contigs"])
    small = {s.name: n for s in samples if (n := fewer_than(s, cpgs, cfg)) is not None}
    kept = [s for s in samples if s.name not in small]
    if not kept:
        found = f"{len(samples)} samples, all of fewer than {cfg['min_size']} reads"
        raise bad("dataset.files", found, "larger ones", "lower dataset.min_size")
    parts = parts_of(kept, cfg)
    crossed = crossing({name: [sample.more[name] for sample in kept] for name in kept[0].more}, parts)
    tell_crossing(crossed, cfg["samples"])
    length = cfg["context"] + cfg["cpgs"]
    counted = {"reads": 0, "weight": 0, "sequences": 0, "without_calls": 0}
    with TokenStoreWriter(out, alphabet="dna", length=length, seed=seed, fields=FIELDS) as writer:
        codes: dict[tuple[int, str], int] = {}
        for i, sample in enumerate(kept):
            for reads in reads_of(sample, cpgs, cfg):
                tokens, row, number = sequences(reads, cpgs, cfg, sample.path)
                part = read_parts(reads, sample, parts[i], cfg["split"])
                for split in np.flatnonzero(np.bincount(part[row], minlength=len(SPLITS))):
                    codes.setdefault((i, SPLITS[split]), len(codes))
                code = np.array([codes.get((i, split), -1) for split in SPLITS])[part[row]]
                writer.write(tokens, code, weight=reads.count[row], cpg=number)
                counted["reads"] += len(reads)
                counted["weight"] += int(reads.count.sum())
                counted["sequences"] += len(row)
                counted["without_calls"] += len(reads) - int(np.count_nonzero(np.diff(row, prepend=-1)))
        groups = pd.DataFrame([describe(kept[i], split) for i, split in codes])
        check_splits(groups)
        sources = [{"key": key, **source_of(Path(file))} for key, file in files.items()]
        genome = {"key": "genome", **source_of(Path(cfg["genome"]).expanduser())}
        meta = {
            "name": name,
            "kind": cfg["kind"],
            "data": origin(sources),
            "sources": [*sources, genome],
            "units": "tokens",
            "groupby": ["sample"],
            "labels": ["tissue", "tissue_coarse"],
            "context": cfg["context"],
            "genome": {"cpgs": cpgs.total, "contigs": cpgs.numbers.order},
            "counted": counted,
            "split": cfg["split"],
            "split_crossed_by": crossed,
            "dropped_groups": len(small),
            "dropped_samples": int(sum(small.values())),
            "dropped": small,
        }
        writer.finish(groups, meta, provenance=provenance)


def examine(cfg: dict) -> None:
    """GdeError for what the names of the files and the table of samples tell, even if all samples are large enough."""
    parts_of(samples_of(list(pattern_files(cfg).values()), cfg["samples"], cfg["coarse"]), cfg)


def parts_of(samples: list[Sample], cfg: dict) -> list[str]:
    """Split of each sample; train, where the reads of all are split. GdeError where too few train."""
    split = cfg["split"]
    if split["by"] == "sample":
        return ["train"] * len(samples)
    parts = hold_out(samples, split) if split["by"] == "group" else hold_out_by(samples, split, cfg["samples"])
    check_training(parts.count("train"), "dataset.files: samples", "give more, or set split: {by: sample}")
    return parts


def describe(sample: Sample, split: str) -> dict[str, str]:
    """The row of a sample in the store's groups."""
    return {"group": sample.name, "split": split, "sample": sample.name, "tissue": sample.tissue,
            "tissue_coarse": sample.coarse}  # fmt: skip


def check_splits(groups: pd.DataFrame) -> None:
    """GdeError for a split without reads, which chance can make of very few."""
    for split in SPLITS:
        if split not in set(groups["split"]):
            raise bad("dataset.split", f"no reads in split '{split}'", "some", "change the fractions, or the seed")


def reads_of(sample: Sample, cpgs: CpGs, cfg: dict) -> Iterator[Reads]:
    """The reads of a sample's file."""
    if sample.path.suffix == ".bam":
        return read_bam(sample.path, cpgs, cfg["bam"], cfg["ignore_contigs"])
    return without(read_pat(sample.path), cfg["ignore_contigs"])


def without(parts: Iterator[Reads], names: list[str]) -> Iterator[Reads]:
    """Reads that are not on contigs of these names."""
    for reads in parts:
        wanted = ~np.isin(reads.names, names)[reads.contig]
        if wanted.all():
            yield reads
        elif wanted.any():
            kept = reads.take(wanted)
            used = np.unique(kept.contig)
            yield replace(kept, names=[reads.names[i] for i in used], contig=np.searchsorted(used, kept.contig))


def fewer_than(sample: Sample, cpgs: CpGs, cfg: dict) -> int | None:
    """Rows of a sample's file if they are fewer than cfg['min_size'], else None; reads no further than needed."""
    found = 0
    for reads in reads_of(sample, cpgs, cfg):
        found += len(reads)
        if found >= cfg["min_size"]:
            return None
    return found


def sequences(reads: Reads, cpgs: CpGs, cfg: dict, path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tokens (s, context + cpgs) uint8 of the reads; the read (s,) that each is of, and its first CpG's number (s,)."""
    context, most = cfg["context"], cfg["cpgs"]

    def where(row: int) -> str:
        return line(path, int(reads.rows[row]))

    contig = cpgs.codes(reads.names, str(path))[reads.contig]
    place = cpgs.position(reads.number, contig, reads.length, where)  # the whole of each read is on its contig
    row, start, size, number = np.arange(len(reads)), reads.start, reads.length, reads.number
    if reads.length.max(initial=0) > most:
        pieces = -(-reads.length // most)
        row = np.repeat(row, pieces)
        offset = (np.arange(len(row)) - np.repeat(np.cumsum(pieces) - pieces, pieces)) * most
        start, size, number = start[row] + offset, np.minimum(size[row] - offset, most), number[row] + offset
        place = cpgs.position(number, contig[row], np.ones(len(row), np.int64), lambda i: where(int(row[i])))
    padded = np.r_[PATTERN[reads.text], np.zeros(most, np.uint8)]
    residues = np.lib.stride_tricks.sliding_window_view(padded, most)[start]
    residues *= np.arange(most) < size[:, None]
    if residues.max(initial=0) == ILLEGAL:
        at, column = np.argwhere(residues == ILLEGAL)[0]
        found = f"{chr(reads.text[start[at] + column])!r} in a pattern"
        raise bad(where(int(row[at])), found, "C, T, H or .", "get the file again")
    telling = ((residues == C) | (residues == T)).any(1)
    if not telling.all():
        row, residues, number, place = (values[telling] for values in (row, residues, number, place))
    tokens = np.empty((len(row), context + most), np.uint8)
    tokens[:, :context] = cpgs.upstream(contig[row], place, context)
    tokens[:, context:] = residues
    return tokens, row, number


def read_parts(reads: Reads, sample: Sample, part: str, split: dict) -> np.ndarray:
    """Place in SPLITS (m,) of every read: that of its sample, or drawn by its row in the file where reads are split."""
    place = SPLITS.index(part)
    whole = split["by"] != "sample"
    if whole and (split["validation"] == "samples" or part != "train"):
        return np.full(len(reads), place)
    train, validation, test = split["fractions"]
    if whole:
        train, validation, test = train / (train + validation), validation / (train + validation), 0.0
    u = uniform(reads.rows, seed_of(split["seed"], "reads", sample.name))
    return np.digitize(u, [train, train + validation] if test else [train])


def uniform(index: np.ndarray, seed: int) -> np.ndarray:
    """A number in [0, 1) for each index, a function of it and the seed alone (SplitMix64, Steele et al. 2014)."""
    x = np.uint64(seed) + index.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        x = (x ^ (x >> np.uint64(shift))) * np.uint64(factor)
    return ((x ^ (x >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53
