"""Methylation reads for `prepare.py`: a simulated .pat.gz file with its genome, and the plain Python loop over it."""

import gzip
from pathlib import Path

import numpy as np

CONTEXT, CPGS = 100, 28


def write(folder: Path, reads: int, residues: int) -> Path:
    """A file of `reads` sorted lines on a genome of two contigs, 4 % of whose residues begin a CpG."""
    import pysam
    from simulators.methylation import simulate_genome

    truth = simulate_genome(folder, {"chr1": int(0.6 * residues), "chr2": int(0.4 * residues)})
    rng, file = np.random.default_rng(0), folder / "GSM9000000_Blood-NK-Z00000000.hg38.pat.gz"
    first, total = len(truth.places["chr1"]), sum(map(len, truth.places.values()))
    with pysam.BGZFile(str(file), "wb") as f:
        number = np.sort(rng.integers(1, total + 1, reads))
        for part in np.array_split(number, max(1, reads // 100_000)):
            end = np.where(part <= first, first, total)
            length = np.minimum(1 + rng.poisson(3, len(part)), end - part + 1)
            text = np.frombuffer(b"CT.", np.uint8)[rng.choice(3, int(length.sum()), p=[0.6, 0.37, 0.03])].tobytes()
            stop = np.cumsum(length)
            f.write(
                b"".join(
                    b"chr%d\t%d\t%s\t%d\n" % (1 if n <= first else 2, n, text[e - k : e], c)
                    for n, e, k, c in zip(part, stop, length, 1 + rng.poisson(0.2, len(part)), strict=True)
                )
            )
    return file


def settings(raw: Path) -> dict:
    from gde.config.datasets.methylation import Methylation

    given = {"files": [str(raw)], "genome": str(raw.parent / "genome.fa"), "split": {"by": "sample"}}
    return Methylation.model_validate({"kind": "methylation", **given}).model_dump()


def ours(raw: Path, out: Path) -> None:
    """The store, as the workflow's rule writes it: checked, split, permuted, with digests."""
    from gde.prepare.methylation import prepare

    prepare(settings(raw), out, name="benchmark", seed=0)


def residues(raw: Path, out: Path) -> None:
    """The part of it that the plain loop does: residues of every read, written one after the other."""
    from gde.prepare.methylation import sequences
    from gde.readers.cpg import CpGs
    from gde.readers.genome import open_genome
    from gde.readers.pat import read_pat

    cfg = settings(raw)
    cpgs = CpGs(open_genome(Path(cfg["genome"]), out.parent))
    with out.open("wb") as f:
        for reads in read_pat(raw):
            sequences(reads, cpgs, cfg, raw)[0].tofile(f)


def plain(raw: Path, out: Path) -> None:
    """The same residues read by read, in a Python loop, written one after the other: neither checked nor permuted."""
    genome = {}
    with (raw.parent / "genome.fa").open() as f:
        for line in f:
            if line.startswith(">"):
                name = line[1:].split()[0]
                genome[name] = []
            else:
                genome[name].append(line.strip().upper())
    places = []
    for name, lines in genome.items():
        genome[name] = sequence = "".join(lines)
        places += [(name, i) for i in range(len(sequence) - 1) if sequence[i : i + 2] == "CG"]
    token = {"A": 1, "C": 2, "G": 3, "T": 4, "N": 5, ".": 5, "H": 5}
    x, weights = bytearray(), []
    with gzip.open(raw, "rt") as f:
        for line in f:
            _, number, pattern, count = line.rstrip("\n").split("\t")
            for start in range(0, len(pattern), CPGS):
                name, place = places[int(number) - 1 + start]
                upstream = genome[name][max(0, place - CONTEXT) : place].rjust(CONTEXT, "N")
                tokens = [token[residue] for residue in upstream + pattern[start : start + CPGS]]
                x += bytes(tokens + [0] * (CONTEXT + CPGS - len(tokens)))
                weights.append(float(count))
    np.savez(out, x=np.frombuffer(x, np.uint8).reshape(len(weights), -1), weight=weights)
