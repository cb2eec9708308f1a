"""Promoters for `prepare.py`: a simulated file of sequences and expression, and the plain Python loop over it."""

import gzip
from pathlib import Path

import numpy as np

FLANKS, LENGTH, QUANTILES = 30, 128, 100


def write(folder: Path, promoters: int, residues: int) -> Path:
    """A file of `promoters` lines of `residues` residues each, more than half of whose expressions tie."""
    from simulators.promoters import simulate_promoters

    file = folder / "promoters.txt.gz"
    simulate_promoters(file, promoters, insert=residues - FLANKS, keep=False)
    return file


def settings(raw: Path) -> dict:
    from gde.config.datasets.promoters import Gpra

    given = {"files": {"one": str(raw)}, "length": LENGTH, "quantiles": QUANTILES}
    return Gpra.model_validate({"kind": "gpra", **given}).model_dump()


def ours(raw: Path, out: Path) -> None:
    """The store, as the workflow's rule writes it: checked, ranked, split, permuted, with digests."""
    from gde.prepare.gpra import prepare

    prepare(settings(raw), out, name="benchmark", seed=0)


def residues(raw: Path, out: Path) -> None:
    """The part of it that the plain loop does: tokens of every promoter one after the other, and its quantile."""
    from gde.prepare.common.quantiles import Ranking
    from gde.prepare.common.sequence_lines import read_lines
    from gde.sets.types.alphabet import ALPHABETS

    with Ranking(out.parent, seed=0) as ranking, out.open("wb") as f:
        for lines in read_lines(raw, ALPHABETS["dna"], LENGTH):
            lines.tokens.tofile(f)
            ranking.add(lines.numbers)
        for quantile in ranking.quantiles(QUANTILES):
            quantile.tofile(f)


def plain(raw: Path, out: Path) -> None:
    """The same line by line, in a Python loop, everything in memory: neither checked, split nor permuted."""
    token = {"A": 1, "C": 2, "G": 3, "T": 4, "N": 5}
    x, expression = bytearray(), []
    with gzip.open(raw, "rt") as f:
        for line in f:
            sequence, value = line.rstrip("\n").split("\t")
            tokens = [token[residue] for residue in sequence]
            x += bytes(tokens + [0] * (LENGTH - len(tokens)))
            expression.append(float(value))
    n = len(expression)
    quantile = [0] * n
    for rank, row in enumerate(sorted(range(n), key=expression.__getitem__)):
        quantile[row] = rank * QUANTILES // n
    np.savez(out, x=np.frombuffer(x, np.uint8).reshape(n, -1), quantile=np.array(quantile, np.uint8))
