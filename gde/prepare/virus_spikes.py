"""Whole spikes: which translated or given proteins are whole spikes, as tokens: stops, residues, length and unknown
ones checked."""

import numpy as np

from gde.prepare.virus_tally import Tally
from gde.sets.store.ragged import padded
from gde.sets.types.alphabet import ALPHABETS, ILLEGAL

PROTEIN = ALPHABETS["protein"]
STOP = 254  # what tables of residues say of `*`
X, X_BYTE = int(PROTEIN.encode("X")[0]), ord("X")
SEVERAL = b"BJOUZ"  # two residues of the alphabet in one, and rare ones that it has not
EMPTY, RESIDUES, INSIDE, SHORT, LONG, UNKNOWN = "empty", "residues", "stop", "short", "long", "unknown"
DROPPED = {
    EMPTY: "without residues",
    RESIDUES: "with residues that are none",
    INSIDE: "with a stop inside",
    SHORT: "shorter than min_characters",
    LONG: "longer than length",
    UNKNOWN: "with a larger share of X than max_unknown",
}
END_STOP, OTHER = "end_stop", "other_residues"
MENDED = {END_STOP: "with a stop (*) at the end, taken off", OTHER: f"with {'/'.join(SEVERAL.decode())}, taken as X"}


def token_table() -> np.ndarray:
    """Token of each byte of a protein (256,) uint8; STOP for `*`, ILLEGAL for what is no residue."""
    table = PROTEIN.table.copy()
    several = np.frombuffer(SEVERAL, np.uint8)
    table[np.r_[several, several | 32]] = X
    table[ord("*")] = STOP
    return table


TABLE = token_table()


class Spikes:
    """Proteins of a file as tokens (k, length) uint8 of those that are whole; the others are counted by reason."""

    def __init__(self, cfg: dict, tally: Tally):
        self.length, self.shortest, self.unknown = cfg["length"], cfg["min_characters"], cfg["max_unknown"]
        self.tally = tally

    def of_texts(self, texts: list[bytes]) -> tuple[np.ndarray, np.ndarray]:
        """Tokens of the whole ones of m proteins, and which these are (m,) bool."""
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        text = b"".join(texts)
        tokens = text.translate(TABLE.tobytes())  # half the time of an index
        return self.of_tokens(np.frombuffer(tokens, np.uint8), lengths, np.frombuffer(text, np.uint8))

    def of_tokens(
        self, flat: np.ndarray, lengths: np.ndarray, text: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """As `of_texts`, of tokens one behind the other (total,) with STOP and ILLEGAL among them; lengths (m,).

        text : the residues that the tokens were made from, where what was mended in them is to be counted.
        """
        stops = np.cumsum(lengths)
        starts, ends = stops - lengths, stops.copy()
        ended = np.zeros(len(lengths), bool)
        while (last := (ends > starts) & (flat[np.maximum(ends, 1) - 1] == STOP) if len(flat) else ended).any():
            ends -= last
            ended |= last
        residues = ends - starts
        found = {EMPTY: residues == 0}
        special = np.flatnonzero(flat >= STOP)
        if len(special) > ended.sum():
            rows = np.searchsorted(stops, special, side="right")
            inside = special < ends[rows]
            for reason, value in ((RESIDUES, ILLEGAL), (INSIDE, STOP)):
                found[reason] = marked(rows[inside & (flat[special] == value)], len(lengths))
        found[SHORT], found[LONG] = residues < self.shortest, residues > self.length
        at = np.flatnonzero(flat == X)
        rows = np.searchsorted(stops, at, side="right")
        found[UNKNOWN] = np.bincount(rows, minlength=len(lengths)) > self.unknown * residues
        places = self.tally.sieve([(reason, found[reason]) for reason in DROPPED if reason in found], len(lengths))
        kept = marked(places, len(lengths))
        if text is not None:
            self.tally.mend(END_STOP, int((kept & ended).sum()))
            self.tally.mend(OTHER, int((kept & marked(rows[text[at] & ~np.uint8(32) != X_BYTE], len(kept))).sum()))
        if not kept.any():
            return np.zeros((0, self.length), np.uint8), kept
        return padded(flat, starts[kept], ends[kept], self.length), kept


def marked(rows: np.ndarray, m: int) -> np.ndarray:
    """(m,) bool, True at these rows."""
    out = np.zeros(m, bool)
    out[rows] = True
    return out
