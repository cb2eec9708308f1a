"""Protein families in the layout of Pfam-A.fasta.gz: descendants of random ancestors."""

import gzip
from pathlib import Path

import numpy as np

RESIDUES = np.array(list("ACDEFGHIKLMNPQRSTVWY"))


def simulate_families(
    path: Path,
    *,
    families: int = 20,
    domains: int = 40,
    length: int = 60,
    mutated: float = 0.3,
    other_residues: float = 0.02,
    seed: int = 0,
) -> dict[str, list[str]]:
    """Write `families` families of `domains` sequences, lines of 60 residues; returns the sequences by family.

    Each residue of an ancestor of about `length` is another one with probability `mutated`; `other_residues` of the
    sequences have a B, Z, J, U or O.
    """
    rng = np.random.default_rng(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    out: dict[str, list[str]] = {}
    with gzip.open(path, "wt", compresslevel=1) as f:
        for i in range(families):
            name, accession = f"Family_{i}", f"PF{i + 1:05d}.{i % 7 + 1}"
            ancestor = rng.integers(20, size=length + int(rng.integers(-length // 4, length // 4 + 1)))
            out[name] = []
            for j in range(domains):
                residues = np.where(rng.random(len(ancestor)) < mutated, rng.integers(20, size=len(ancestor)), ancestor)
                text = RESIDUES[residues].astype("U1")
                if rng.random() < other_residues:
                    text[rng.integers(len(text))] = rng.choice(list("BZJUO"))
                sequence = "".join(text)
                out[name].append(sequence)
                f.write(f">A{i}P{j}_TEST/1-{len(sequence)} A{i}P{j}.1 {accession};{name};\n")
                f.writelines(sequence[k : k + 60] + "\n" for k in range(0, len(sequence), 60))
    return out
