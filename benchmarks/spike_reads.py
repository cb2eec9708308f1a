"""Spike proteins for `prepare.py`: a simulated spikeprot FASTA, and the plain Biopython loop over it."""

from pathlib import Path

import numpy as np

LENGTH, SIZE, MONTHS, COUNTRIES, SHORTEST, UNKNOWN = 1280, 16, 24, 12, 1200, 0.15
SIMULATED = 20_000  # records that differ; larger files repeat them under other names


def write(folder: Path, proteins: int, residues: int) -> Path:
    """A file of about `proteins` records; `residues` is theirs."""
    from simulators.spike_files import write_gisaid
    from simulators.spikes import simulate_epidemic

    few = min(proteins, SIMULATED)
    per_key = few / (MONTHS * COUNTRIES * 0.775)  # a quarter of the countries has a tenth
    file, piece = folder / "spikeprot.fasta", folder / "piece.fasta"
    write_gisaid(simulate_epidemic(per_key=per_key, months=MONTHS, countries=COUNTRIES), piece, defects=0.05)
    text, written = piece.read_bytes(), 0
    piece.unlink()
    records = text.count(b"\n>") + 1
    with file.open("wb") as f:
        while written < proteins:
            f.write(text.replace(b"|EPI_ISL_", b"|EPI_ISL_%d0" % (written // records + 1)) if written else text)
            written += records
    return file


def settings(raw: Path) -> dict:
    from gde.config.datasets.epidemic import Virus

    return Virus.model_validate({"kind": "virus", "source": "gisaid", "sequences": str(raw)}).model_dump()


def ours(raw: Path, out: Path) -> None:
    """The store, as the workflow's rule writes it: checked, grouped, split, permuted, with digests."""
    from gde.prepare.virus import prepare

    prepare(settings(raw), out, name="benchmark", seed=0)


def residues(raw: Path, out: Path) -> None:
    """The part of it that the plain loop does: tokens of every whole spike one after the other, its key and day."""
    from gde.prepare import virus_gisaid, virus_keys, virus_records
    from gde.prepare import virus_spikes as spikes
    from gde.prepare.virus_tally import Tally

    dropped = virus_keys.DROPPED | virus_gisaid.DROPPED | spikes.DROPPED | virus_records.DROPPED
    tally, countries = Tally(dropped, virus_gisaid.MENDED), virus_keys.Countries()
    with out.open("wb") as f:
        for records in virus_gisaid.read(settings(raw), raw, countries, tally):
            records.tokens.tofile(f)
            records.country.tofile(f)
            records.day.tofile(f)


def plain(raw: Path, out: Path) -> None:
    """The same with Biopython, record by record, everything in memory: neither split nor permuted."""
    from datetime import date

    from Bio import SeqIO

    token = {residue: i for i, residue in enumerate("ACDEFGHIKLMNPQRSTVWYX", 1)} | dict.fromkeys("BJOUZ", 21)
    x, keys, days, seen = bytearray(), [], [], set()
    with raw.open(encoding="latin-1") as f:
        for record in SeqIO.parse(f, "fasta"):
            fields = record.description.split("|")
            sequence = str(record.seq).rstrip("*")
            try:
                when = date.fromisoformat(fields[2])
                tokens = [token[residue] for residue in sequence]
            except (KeyError, ValueError, IndexError):
                continue
            if not SHORTEST <= len(tokens) <= LENGTH or tokens.count(21) > UNKNOWN * len(tokens) or fields[3] in seen:
                continue
            seen.add(fields[3])
            x += bytes(tokens + [0] * (LENGTH - len(tokens)))
            keys.append(f"{fields[-1]}|{fields[2][:7]}")
            days.append((when - date(2019, 12, 1)).days)
    np.savez(out, x=np.frombuffer(x, np.uint8).reshape(len(keys), -1), key=np.array(keys), day=np.array(days))
