"""Random promoters between two constant flanks, with an expression that words in them raise or lower."""

import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np

FLANKS = (b"TGCATTTTTTTCACATC", b"GGTTACGGCTGTT")
WORDS = {b"TGACGTCA": 3.0, b"CACGTG": 1.5, b"GGGCGG": -1.5}  # and what each adds to expression
WINDOW = 20  # places behind the first flank where a word may begin
CHUNK = 20_000


@dataclass(frozen=True)
class Truth:
    """What was written, row by row: sequences, expression as in the file, and without noise."""

    sequences: list[str]
    expression: np.ndarray
    clean: np.ndarray


def simulate_promoters(
    path: Path,
    rows: int,
    *,
    seed: int = 0,
    insert: int = 80,
    integers: float = 0.58,
    unknown: float = 0.003,
    noise: float = 0.7,
    shared: "Truth | None" = None,
    keep: bool = True,
) -> Truth:
    """Write `rows` lines of `sequence<TAB>expression` to `path` (gzip), in the layout of the published files.

    integers : share of expressions that are whole numbers, and so tie.   unknown : share of promoters with an N.
    shared : promoters of another file that this one begins with, measured again.   keep : False returns empty arrays,
    for files that do not fit in memory.
    """
    rng = np.random.default_rng(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    kept: list[tuple[list[str], np.ndarray, np.ndarray]] = []
    with gzip.open(path, "wb", compresslevel=1) as f:
        for start in range(0, rows, CHUNK):
            n = min(CHUNK, rows - start)
            residues, clean = _promoters(n, insert, unknown, rng)
            text = [bytes(row) for row in residues]
            if shared is not None:
                again = shared.sequences[start : start + n]
                text[: len(again)] = [s.encode() for s in again]
                clean[: len(again)] = shared.clean[start : start + n]
            value = np.clip(clean + noise * rng.standard_normal(n), 0.0, 17.0)
            whole = rng.random(n) < integers
            shown = [b"%d" % round(v) if w else b"%.13g" % v for v, w in zip(value, whole, strict=True)]
            f.write(b"".join(s + b"\t" + v + b"\n" for s, v in zip(text, shown, strict=True)))
            if keep:
                kept.append(([s.decode() for s in text], np.array([float(v) for v in shown]), clean))
    if not kept:
        return Truth([], np.zeros(0), np.zeros(0))
    return Truth([s for part in kept for s in part[0]], *(np.concatenate([p[i] for p in kept]) for i in (1, 2)))


def _promoters(n: int, insert: int, unknown: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Residues (n, flanks + insert) uint8 and expression without noise (n,)."""
    middle = np.frombuffer(b"ACGT", np.uint8)[rng.integers(0, 4, (n, insert), dtype=np.uint8)]
    clean = np.full(n, 8.0)
    for word, effect in WORDS.items():
        own = np.flatnonzero(rng.random(n) < 0.4)
        place = rng.integers(0, min(WINDOW, insert - len(word)), len(own))
        middle[own[:, None], place[:, None] + np.arange(len(word))] = np.frombuffer(word, np.uint8)
        clean[own] += effect
    lost = np.flatnonzero(rng.random(n) < unknown)
    middle[lost, rng.integers(0, insert, len(lost))] = ord("N")
    flanks = [np.broadcast_to(np.frombuffer(flank, np.uint8), (n, len(flank))) for flank in FLANKS]
    return np.concatenate([flanks[0], middle, flanks[1]], axis=1), clean
