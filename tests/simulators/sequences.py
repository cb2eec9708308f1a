"""A user's sequences with a known truth: donors of two tissues, which differ in composition and in a motif."""

import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

RESIDUES = np.frombuffer(b"ACGT", np.uint8)
MOTIF = np.frombuffer(b"TGACTCA", np.uint8)
TISSUES = {"blood": (0.35, 0.1), "liver": (0.65, 0.9)}  # share of G and C; share of the sequences with the motif


@dataclass
class Library:
    """table : a row for each sequence: name, donor, tissue, copies, sequence (text)."""

    table: pd.DataFrame

    def write(self, path: Path, *, fields: str = "key=value", width: int = 60, end: str = "\n") -> Path:
        """Write the library as its ending says: .fasta, .fastq, .csv or .tsv, and .gz of them.

        fields : headers as `donor=...;tissue=...;copies=...` behind the name, or as a pattern of {column}s.
        """
        name = path.name.removesuffix(".gz")
        if name.endswith((".csv", ".tsv")):
            text = self.table.to_csv(sep="," if name.endswith(".csv") else "\t", index=False)
        else:
            text = "".join(self._record(row, name, fields, width) for row in self.table.itertuples())
        data = text.replace("\n", end).encode()
        path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
        return path

    def _record(self, row, name: str, fields: str, width: int) -> str:
        header = f"{row.name} donor={row.donor};tissue={row.tissue};copies={row.copies}"
        if fields != "key=value":
            header = fields.format(**row._asdict())
        if name.endswith(".fastq"):
            return f"@{header}\n{row.sequence}\n+\n{'I' * len(row.sequence)}\n"
        lines = [row.sequence[i : i + width] for i in range(0, len(row.sequence), width)]
        return f">{header}\n" + "\n".join(lines) + "\n"


def simulate_library(
    *, donors: int = 12, sequences: int = 40, shortest: int = 30, longest: int = 50, seed: int = 0
) -> Library:
    """Donors, every second one of blood and of liver, with `sequences` each of shortest..longest residues; a hundredth
    of the residues is N, and every tenth sequence is in small residues."""
    rng = np.random.default_rng(seed)
    rows = []
    for d in range(donors):
        tissue = list(TISSUES)[d % len(TISSUES)]
        gc, motif = TISSUES[tissue]
        for i in range(sequences):
            n = int(rng.integers(shortest, longest + 1))
            residues = rng.choice(RESIDUES, n, p=[(1 - gc) / 2, gc / 2, gc / 2, (1 - gc) / 2])
            if rng.random() < motif:
                at = int(rng.integers(n - len(MOTIF) + 1))
                residues[at : at + len(MOTIF)] = MOTIF
            residues[rng.random(n) < 0.01] = ord("N")
            text = residues.tobytes().decode()
            text = text.lower() if i % 10 == 9 else text
            rows.append((f"s{d:02}.{i}", f"D{d:02}", tissue, int(rng.integers(1, 5)), text))
    return Library(pd.DataFrame(rows, columns=["name", "donor", "tissue", "copies", "sequence"]))
