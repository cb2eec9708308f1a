"""Motifs from a file of position weight matrices, and how often they stand in sequences."""

import math
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import numpy as np

from gde.errors import bad
from gde.files.sniffing import read_text

PSEUDOCOUNT = 0.01  # in shares: a token that was never seen is rare, not impossible
BACKGROUND = 0.25
BITS = 0.7  # share of a motif's greatest score from which a position counts as a hit
BEFORE = "Background letter frequencies"  # in MEME's format, with the frequencies in the line below
AT_ONCE = 1 << 22  # positions scored together


@dataclass(frozen=True)
class Motif:
    """Log-odds (w, 4) of A, C, G, T at each position, in bits, and the score from which a position is a hit."""

    name: str
    score: np.ndarray
    threshold: float


def read_motifs(path: str | Path) -> list[Motif]:
    """The motifs of a file in MEME's or JASPAR's text format. GdeError for one without motifs, or not of DNA."""
    from Bio import motifs

    path = Path(path).expanduser()
    expected = "motifs as MEME text (letter-probability matrices) or JASPAR matrices"
    text = read_text(path, expected, "give another file, or null")
    kind = "minimal" if text.lstrip().startswith("MEME") else "jaspar"
    if kind == "minimal" and BEFORE not in text:  # it may be left out, but not for Biopython
        text = text.replace("MOTIF", f"{BEFORE}\nA 0.25 C 0.25 G 0.25 T 0.25\n\nMOTIF", 1)
    try:
        found = list(motifs.parse(StringIO(text), kind))
    except (ValueError, KeyError, IndexError, AttributeError, TypeError) as e:
        raise bad(path, f"no {kind} motifs ({str(e) or type(e).__name__})", expected, "correct the file") from e
    out = []
    for number, motif in enumerate(found, 1):
        name = " ".join(str(part) for part in (getattr(motif, "matrix_id", None), motif.name) if part) or f"{number}"
        try:
            counts = np.array([motif.counts[residue] for residue in "ACGT"], float).T
        except KeyError as e:
            raise bad(f"{path}: motif {name}", f"no residue {e}", "A, C, G and T", "give motifs of DNA") from e
        if not (np.isfinite(counts).all() and (counts >= 0).all() and (counts.sum(1) > 0).all()):
            raise bad(f"{path}: motif {name}", "a position without tokens", "counts or shares", "correct the motif")
        share = (counts / counts.sum(1, keepdims=True) + PSEUDOCOUNT) / (1 + 4 * PSEUDOCOUNT)
        score = np.log2(share / BACKGROUND)
        out.append(Motif(name, score, BITS * float(score.max(1).sum())))
    if not out:
        raise bad(path, "no motif", expected, "give another file, or null")
    return out


def motif_hits(motif: Motif, tokens: np.ndarray) -> int:
    """Positions of tokens (n, L), on either strand, that score the motif's threshold or more; N and ends never do."""
    width = len(motif.score)
    if width > tokens.shape[1]:
        return 0
    total, step = 0, max(1, AT_ONCE // tokens.shape[1])
    for score in (motif.score, motif.score[::-1, ::-1]):  # the reverse complement: A <-> T, C <-> G, backwards
        table = np.full((width, 6), -math.inf)
        table[:, 1:5] = score
        for start in range(0, len(tokens), step):
            part = tokens[start : start + step]
            positions = part.shape[1] - width + 1
            found = sum(table[j][part[:, j : j + positions]] for j in range(width))
            total += int((found >= motif.threshold).sum())
    return total
