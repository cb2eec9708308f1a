"""Versions of one protein in the numbering of a reference: which token stands at each of its sites."""

import logging
from pathlib import Path
from typing import Any

import numpy as np

from gde.errors import bad
from gde.evaluate.epidemic import wuhan
from gde.evaluate.shared.rows import read_groups
from gde.files.input_files import expand
from gde.sets.alignment import GAP, Aligner
from gde.sets.types.alphabet import Alphabet, lengths

log = logging.getLogger(__name__)
CONSENSUS = "consensus"  # evaluation.reference: that of the first month
FAR = 0.05  # share of differing sites from which a sequence of the reference's length is aligned as well


class Frame:
    """Sites of a reference, tokens (R,), called `name`. `aligned` counts different sequences that had to be aligned so
    far.

    Near relatives of the reference's length lie side by side with it; the others are aligned, each different one once.
    """

    def __init__(self, reference: np.ndarray, alphabet: Alphabet, name: str = "the reference"):
        self.reference, self.alphabet, self.name = reference, alphabet, name
        self._aligner = Aligner(reference, alphabet)
        self._known: dict[bytes, np.ndarray] = {}

    @property
    def sites(self) -> int:
        return len(self.reference)

    def fits(self, residues: np.ndarray) -> bool:
        """Whether tokens (n,) of a sequence are a version of the reference."""
        return self._aligner.related(residues)

    @property
    def aligned(self) -> int:
        return len(self._known)

    def place(self, tokens: np.ndarray, *, whole: bool = False) -> np.ndarray:
        """Tokens (n, L) uint8 of sequences -> (n, R) of the tokens at the sites, GAP where one lacks the site. What it
        has between two sites is left out.

        An entry that was cut tells nothing of what comes before its beginning and behind its end: there stands the
        unknown token. whole : GAP there, too, for sequences that were generated, which nobody cut.
        """
        sites, own = self.sites, lengths(tokens)
        out = np.zeros((len(tokens), sites), np.uint8)
        width = min(sites, tokens.shape[1])
        out[:, :width] = tokens[:, :width]
        known = (out <= self.alphabet.known) & (self.reference <= self.alphabet.known)
        differ = ((out != self.reference) & known).sum(1)
        for i in np.flatnonzero((own != sites) | (differ > FAR * sites)):
            out[i] = self._align(tokens[i, : own[i]])
            if not whole:
                there = np.flatnonzero(out[i] != GAP)
                out[i, : there[0] if len(there) else None] = self.alphabet.size
                out[i, there[-1] + 1 if len(there) else 0 :] = self.alphabet.size
        return out

    def _align(self, residues: np.ndarray) -> np.ndarray:
        key = residues.tobytes()
        if key not in self._known:
            self._known[key] = self._aligner(residues)
        return self._known[key]


def frame_of(store: Any, reference: str | None, month: np.ndarray) -> Frame:
    """The frame of a store, and a line of the log that says which.

    reference : None, the first spike of SARS-CoV-2, whose sites and residues mutations are named after, if the earliest
    month's consensus is a version of it, else that; `consensus`, that in any case; or a FASTA file, whose first
    sequence it is. GdeError for a file that is none, or has other tokens.
    """
    if reference not in (None, CONSENSUS):
        frame = Frame(_first_record(Path(expand(reference)), store.alphabet), store.alphabet, Path(reference).name)
    else:
        earliest = month == month.min()
        known = store.groups["month"].to_numpy()[earliest][0] if "month" in store.groups else f"month {month.min():g}"
        frame = Frame(_consensus(store, np.flatnonzero(earliest)), store.alphabet, f"the consensus of {known}")
        if reference is None:
            first = Frame(store.alphabet.encode(wuhan.SPIKE), store.alphabet, wuhan.NAME)
            frame = first if first.fits(frame.reference) else frame
    log.info("sites and mutations are numbered and named by %s, %d residues", frame.name, frame.sites)
    return frame


def _consensus(store: Any, groups: np.ndarray) -> np.ndarray:
    """Commonest token at each site (R,) of the groups' sequences of the length that most of them have."""
    sizes = np.zeros(store.meta["dim"] + 1, np.int64)
    for x, _ in read_groups(store, groups):
        sizes += np.bincount(lengths(x), minlength=len(sizes))
    usual = int(sizes.argmax())
    counts = np.zeros((usual, store.alphabet.size + 1), np.int64)
    for x, _ in read_groups(store, groups):
        own = x[lengths(x) == usual, :usual]
        for token in range(1, store.alphabet.known + 1):
            counts[:, token] += (own == token).sum(0)
    consensus = counts.argmax(1)
    consensus[counts.sum(1) == 0] = store.alphabet.size  # nothing known there
    return consensus.astype(np.uint8)


def _first_record(path: Path, alphabet: Alphabet) -> np.ndarray:
    from Bio import SeqIO

    remedy = "set evaluation.reference to a FASTA file, or to consensus"
    try:
        record = next(SeqIO.parse(path, "fasta"), None)
        if record is None or not len(record.seq):
            raise bad(path, "no sequence", "a FASTA file with one", remedy)
        return alphabet.encode(str(record.seq).rstrip("*"))
    except (OSError, UnicodeDecodeError, ValueError) as e:
        raise bad(path, f"a file that cannot be read ({e})", f"a FASTA file of {alphabet.name} tokens", remedy) from e


def name_of(frame: Frame, site: int, token: int) -> str:
    """A mutation by its usual name, such as D614G; site from 0, and `-` for a deletion."""
    residues = frame.alphabet.symbols
    new = "-" if token == GAP else residues[token - 1]
    return f"{residues[frame.reference[site] - 1]}{site + 1}{new}"


def named(frame: Frame, name: str) -> tuple[int, int] | None:
    """Site from 0 and token of a mutation such as D614G; None where the reference has not that token there."""
    old, site, new = name[0], int(name[1:-1]) - 1, name[-1]
    residues = frame.alphabet.symbols
    if site >= frame.sites or old not in residues or new not in residues:
        return None
    return (site, residues.index(new) + 1) if frame.reference[site] == residues.index(old) + 1 else None


def site_counts(frame: Frame, placed: np.ndarray) -> np.ndarray:
    """How often each token stands at each site of placed sequences (n, R): (R, tokens + 1) int32, column GAP for
    deletions; the unknown token is not counted."""
    counts = np.zeros((frame.sites, frame.alphabet.known + 1), np.int32)
    for token in range(frame.alphabet.known + 1):
        counts[:, token] = (placed == token).sum(0)
    return counts
