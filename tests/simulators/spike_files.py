"""Simulated spikes in the layouts of GISAID and of Nextstrain, with the defects that such files have, counted."""

import gzip
import lzma
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from Bio.Data.CodonTable import standard_dna_table

from simulators.spikes import LENGTH, Epidemic, day_of

GENOME, START, STOP = 29_903, 21_562, 25_384
TABLE = {**standard_dna_table.back_table, "*": "TAA"}  # a codon of each amino acid


@dataclass
class Written:
    """What a file holds: records (also duplicates); dropped, mended : how many of each; kept : name, country, day,
    month, protein (as it is to be stored) of the others, in their order."""

    records: int = 0
    dropped: Counter = field(default_factory=Counter)
    mended: Counter = field(default_factory=Counter)
    kept: pd.DataFrame | None = None


def write(path: Path, content: bytes) -> None:
    """Plain, or packed as the ending says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".zst":
        import pyarrow as pa

        with pa.CompressedOutputStream(str(path), "zstd") as f:
            f.write(content)
    elif path.suffix == ".xz":
        path.write_bytes(lzma.compress(content, preset=0))
    elif path.suffix == ".gz":
        path.write_bytes(gzip.compress(content, 1, mtime=0))
    else:
        path.write_bytes(content)


# What is wrong with a record -> the reason for which it is left out ("" = kept), and what is mended
HEADERS = {
    "bar in a laboratory": ("", "stray_bars"),
    "bar in the isolate": ("", "stray_bars"),
    "bar behind the country": ("", "stray_bars"),
    "latin-1": ("", "latin1"),
    "year": ("date_partial", ""),
    "year and month": ("date_partial", ""),
    "zeros": ("date_partial", ""),
    "day zero": ("date_partial", ""),
    "no such day": ("date_wrong", ""),
    "too early": ("date_wrong", ""),
    "no date": ("date_wrong", ""),
    "no country": ("country", ""),
    "few fields": ("header", ""),
}
PROTEINS = {
    "no stop at the end": ("", ""),
    "run of X": ("", ""),
    "long run of X": ("unknown", ""),
    "truncated": ("short", ""),
    "stop inside": ("stop", ""),
    "digit": ("residues", ""),
    "insertion": ("long", ""),
    "B": ("", "other_residues"),
    "nothing": ("empty", ""),
    "wrapped": ("", ""),
    "twice": ("duplicate", ""),
}


def write_gisaid(epidemic: Epidemic, path: Path, *, defects: float = 0.2, seed: int = 0) -> Written:
    """Headers of eleven fields and a `*` at the end of each protein; a share `defects` of the records has one."""
    rng, out = np.random.default_rng(seed), Written()
    kinds = list(HEADERS | PROTEINS)
    lines, kept = [], []
    for i, row in enumerate(epidemic.records.itertuples()):
        kind = kinds[rng.integers(len(kinds))] if rng.random() < defects else None
        if i == len(epidemic.records) - 1:  # a last one without residues would be a file that was cut
            kind = None
        fate, mended = (HEADERS | PROTEINS).get(kind, ("", ""))
        isolate = f"hCoV-19/{row.country}/V{i}/{day_of(row.day).year}"
        protein, shown = _defective(row.protein, kind, rng)
        fields = [
            "Spike", isolate, _dated(row.day, kind), f"EPI_ISL_{400_000 + i}", "Original", f"hCoV-19^^{row.country}",
            "Human", "Central Laboratory", "Institute", "Meyer", "" if kind == "no country" else row.country,
        ]  # fmt: skip
        if kind == "bar in a laboratory":
            fields[7] = "Central|Laboratory"
        elif kind == "bar in the isolate":
            fields[1] = isolate.replace("/V", "/V|")
        elif kind == "few fields":
            fields = fields[:2] + ["unknown"]
        header = "|".join(fields).encode() + (b"|" if kind == "bar behind the country" else b"")
        if kind == "latin-1":
            header = header.replace(b"Meyer", "Müller".encode("latin-1"))
        text = f"\n{shown[:60]}\n{shown[60:]}\n" if kind == "wrapped" else f"\n{shown}\n"
        record = b">" + header + text.encode()
        lines.append(record)
        if fate == "duplicate":  # a second record of the same name, among the others; the first one counts
            lines.append(record)
            out.records += 1
            out.dropped[fate] += 1
            fate = ""
        out.records += 1
        if fate:
            out.dropped[fate] += 1
            continue
        if mended:
            out.mended[mended] += 1
        out.mended["end_stop"] += (1 + (kind == "twice")) if shown.endswith("*") else 0
        kept.append((fields[3], row, protein))
    write(path, b"".join(lines))
    out.kept = _kept(kept)
    return out


def _dated(day: int, kind: str | None) -> str:
    d = day_of(day)
    return {
        "year": f"{d.year}",
        "year and month": f"{d:%Y-%m}",
        "zeros": f"{d.year}-00-00",
        "day zero": f"{d:%Y-%m}-00",
        "no such day": f"{d.year}-02-31",
        "too early": "2001-03-04",
        "no date": "unknown",
    }.get(kind or "", f"{d:%Y-%m-%d}")


def _defective(protein: str, kind: str | None, rng: np.random.Generator) -> tuple[str, str]:
    """As it is to be stored, and as it stands in the file."""
    at = int(rng.integers(700, 900))
    if kind == "run of X":
        protein = protein[:at] + "X" * 80 + protein[at + 80 :]
    elif kind == "long run of X":
        protein = protein[:at] + "X" * 300 + protein[at + 300 :]
    elif kind == "truncated":
        protein = protein[:at]
    elif kind == "stop inside":
        protein = protein[:at] + "*" + protein[at + 1 :]
    elif kind == "digit":
        protein = protein[:at] + "7" + protein[at + 1 :]
    elif kind == "insertion":
        protein = protein[:at] + "GAVL" * 10 + protein[at:]
    elif kind == "B":
        return protein[:at] + "X" + protein[at + 1 :], protein[:at] + "B" + protein[at + 1 :] + "*"
    elif kind == "nothing":
        return "", ""
    return protein, protein if kind == "no stop at the end" else protein + "*"


def _kept(rows: list) -> pd.DataFrame:
    return pd.DataFrame(
        [(n, r.country, r.day, r.month, protein) for n, r, protein in rows],
        columns=["name", "country", "day", "month", "protein"],
    )


GENES = {
    "frameshift": ("frameshift", ""),
    "two frameshifts": ("frameshift", ""),
    "deletion": ("", ""),
    "stop inside": ("stop", ""),
    "N": ("", ""),
    "many N": ("unknown", ""),
    "no spike": ("empty", ""),
    "no nucleotide": ("residues", ""),
    "twice": ("duplicate", ""),
    "no metadata": ("metadata", ""),
    "metadata twice": ("", "metadata_again"),
    "date XX": ("date_partial", ""),
    "year": ("date_partial", ""),
    "no date": ("date_wrong", ""),
    "no country": ("country", ""),
    "latin-1": ("", ""),
}


def write_nextstrain(
    epidemic: Epidemic, sequences: Path, metadata: Path, *, defects: float = 0.2, seed: int = 0
) -> Written:
    """Genomes aligned to a random one of Wuhan-Hu-1's length, and a table in another order, with further columns."""
    rng, out = np.random.default_rng(seed), Written()
    genome = "".join(rng.choice(list("ACGT"), GENOME))
    kinds, lines, kept = list(GENES), [], []
    rows = [b"strain\tvirus\tdate\tregion\tcountry\thost\tQC_note"]
    for i, row in enumerate(epidemic.records.itertuples()):
        kind = kinds[rng.integers(len(kinds))] if rng.random() < defects else None
        fate, mended = GENES.get(kind, ("", ""))
        name = f"{row.country}/V{i}/{day_of(row.day).year}"  # some with blanks
        gene, protein = _gene(row.protein, kind, rng)
        record = f">{name}\n{genome[:START]}{gene}{genome[STOP:]}\n".encode()
        lines += [record] * (2 if kind == "twice" else 1)
        d = day_of(row.day)
        when = {"date XX": f"{d:%Y-%m}-XX", "year": f"{d.year}", "no date": "?"}.get(kind or "", f"{d:%Y-%m-%d}")
        where = b"?" if kind == "no country" else row.country.encode("latin-1" if kind == "latin-1" else "utf-8")
        told = f"{name}\tncov\t{when}\tEarth\t".encode() + where + b'\tHomo sapiens\tsaid "so'
        if kind != "no metadata":
            rows += [told] * (2 if kind == "metadata twice" else 1)
        out.records += 2 if kind == "twice" else 1
        if mended:
            out.mended[mended] += 1
        if fate == "duplicate":
            out.dropped[fate] += 1
            fate = ""
        if fate:
            out.dropped[fate] += 1
            continue
        kept.append((name, row, protein))
    order = rng.permutation(len(rows) - 1) + 1
    write(metadata, b"\n".join([rows[0], *(rows[i] for i in order)]) + b"\n")
    write(sequences, b"".join(lines))
    out.kept = _kept(kept)
    return out


def _gene(protein: str, kind: str | None, rng: np.random.Generator) -> tuple[str, str]:
    """The aligned gene, and the protein that it tells."""
    gene = "".join(TABLE[residue] for residue in protein + "*")
    at = int(rng.integers(200, 900))  # a codon

    def put(text: str, nucleotide: int) -> str:
        return gene[:nucleotide] + text + gene[nucleotide + len(text) :]

    if kind == "frameshift":
        return put("--", 3 * at), ""
    if kind == "two frameshifts":  # together a multiple of three, what lies between is read wrongly
        return put("-" + gene[3 * at + 1 : 3 * at + 40] + "--", 3 * at), ""
    if kind == "deletion":  # two codons, out of three that begin within the first
        deleted = "TT" + "-" * 6 + "T"  # around a codon for F
        return put(deleted, 3 * at), protein[:at] + "F" + protein[at + 3 :]
    if kind == "stop inside":
        return put("TAG", 3 * at), ""
    if kind in ("N", "many N"):
        n = 50 if kind == "N" else 300
        return put("N" * 3 * n, 3 * at), protein[:at] + "X" * n + protein[at + n :]
    if kind == "no spike":
        return "-" * len(gene), ""
    if kind == "no nucleotide":
        return put("J", 3 * at), ""
    return gene, protein


assert 3 * (LENGTH + 1) == STOP - START
