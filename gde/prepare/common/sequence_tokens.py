"""Tokens of records: from the text of records to tokens: residues checked, long sequences refused, cut or left out, and
counted."""

from dataclasses import dataclass, field

import numpy as np

from gde.errors import bad
from gde.readers.sequence_files import Records, SequenceFile, first_fault
from gde.sets.store.ragged import padded
from gde.sets.types.alphabet import ILLEGAL, Alphabet

# Residues that stand for several, or are too rare for the alphabet (U, O of proteins)
SEVERAL = {"dna": b"RYSWKMBDHV", "protein": b"BZJUO", "text": b""}
PROTEIN_ONLY = set("EFILPQ")
STOP = "*"  # that proteins may end with
WEIGHT_LIMIT = float(np.finfo(np.float32).max)


@dataclass
class Encoder:
    """Records as tokens.

    length : residues at most, None for any number, as a first pass has to know.   too_long : refuse, cut or drop.
    other_residues : refuse, or the alphabet's unknown residue for those of SEVERAL.   counted : what was cut, dropped
    or replaced so far, and stops at the end of proteins that were taken off.   at_use : remedies name the options of
    commands, not the keys of a configuration.
    """

    alphabet: Alphabet
    length: int | None
    too_long: str = "refuse"
    other_residues: str = "refuse"
    counted: dict[str, int] = field(default_factory=lambda: {"cut": 0, "too_long": 0, "with_other_residues": 0})
    at_use: bool = False

    def __post_init__(self):
        self.table = self.alphabet.table
        self.encoding = "utf-8" if self.alphabet.name == "text" else "ascii"
        if self.alphabet.name == "protein":
            self.counted["end_stops"] = 0
        self.several = np.zeros(256, bool)
        if self.other_residues != "refuse":
            several = np.frombuffer(SEVERAL[self.alphabet.name], np.uint8)
            self.several[np.r_[several, several | 32]] = True
            self.table = np.where(self.several, self.alphabet.encode(self.alphabet.unknown), self.table)

    def encode(self, records: Records, file: SequenceFile) -> tuple[np.ndarray, np.ndarray]:
        """Tokens (m, length) uint8 of the records that are kept, and which those are (n,) bool.

        GdeError naming the first record with an illegal residue, or too long.
        """
        flat, starts, stops = self._flat(records, file)
        residues = stops - starts
        length = int(residues.max()) if self.length is None else self.length
        long = residues > length
        if long.any() and self.too_long == "refuse":
            row = int(long.argmax())
            remedy = "raise dataset.length, or set dataset.too_long: cut or drop"
            remedy = "give --too-long cut or drop" if self.at_use else remedy
            raise first_fault(
                records, file, row, f"{residues[row]} residues", f"at most dataset.length = {length}", remedy
            )
        kept = ~long if self.too_long == "drop" else np.ones(len(residues), bool)
        self.counted["too_long" if self.too_long == "drop" else "cut"] += int(long.sum())
        stops = np.minimum(stops, starts + length)
        if self.encoding == "utf-8" and long.any():
            stops = within_characters(flat, starts, stops, long)
        return padded(flat, starts[kept], stops[kept], length), kept

    def _flat(self, records: Records, file: SequenceFile) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """All residues one behind the other, begin and end of each record's."""
        texts = [text.encode(self.encoding, "replace") for text in records.texts]
        if "end_stops" in self.counted:
            whole = [text.removesuffix(STOP.encode()) for text in texts]
            self.counted["end_stops"] += sum(map(len, texts)) - sum(map(len, whole))
            texts = whole
        lengths = np.fromiter(map(len, texts), np.int64, len(records))
        stops = np.cumsum(lengths)
        text = np.frombuffer(b"".join(texts), np.uint8)
        flat = self.table[text]
        wrong = flat == ILLEGAL
        if wrong.any():
            place = int(wrong.argmax())
            row = int(np.searchsorted(stops, place, side="right"))
            place -= int(stops[row] - lengths[row])
            residue = (
                records.texts[row][place] if self.encoding == "ascii" else chr(text[stops[row] - lengths[row] + place])
            )
            several = residue.upper().encode("ascii", "replace") in SEVERAL[self.alphabet.name]
            option = "give --other-residues" if self.at_use else "set dataset.other_residues:"
            allowed = f"{option} {self.alphabet.unknown}, or correct it"
            remedy = allowed if several else "correct it, or take the record out"
            if self.alphabet.name == "dna" and PROTEIN_ONLY & set(records.texts[row].upper()):
                remedy = "set dataset.alphabet: protein, if these are proteins, or correct it"
                remedy = "give a model of proteins, if these are proteins, or correct it" if self.at_use else remedy
            elif residue in "Uu" and self.alphabet.name == "dna":
                remedy = "write T for U: RNA as DNA"
            expected = self.alphabet.described
            raise first_fault(records, file, row, f"{residue!r} at position {place + 1}", expected, remedy)
        if not lengths.all():
            row = int((lengths == 0).argmax())
            raise first_fault(records, file, row, "a stop alone", "a sequence", "take the record out")
        if self.several.any() and (other := self.several[text]).any():
            rows = np.searchsorted(stops, np.flatnonzero(other), side="right")
            self.counted["with_other_residues"] += len(np.unique(rows))
        return flat, stops - lengths, stops


def within_characters(flat: np.ndarray, starts: np.ndarray, stops: np.ndarray, cut: np.ndarray) -> np.ndarray:
    """The stops (n,) of texts, moved back where a text that is cut would end inside a character of UTF-8."""
    stops = stops.copy()
    for row in np.flatnonzero(cut):
        while stops[row] > starts[row] and 0x80 <= flat[stops[row]] < 0xC0:  # the next byte continues a character
            stops[row] -= 1
    return stops


def weights(records: Records, file: SequenceFile, column: str) -> np.ndarray:
    """The numbers above 0 of a column (n,) float64. GdeError names the first that is none."""
    out = np.empty(len(records))
    for i, text in enumerate(records.columns[column]):
        try:
            out[i] = float(text)
        except ValueError:
            out[i] = np.nan
        if not 0 < out[i] <= WEIGHT_LIMIT:
            where = f"{file.where(records.first + i, records.names[i])}, {column}"
            raise bad(where, repr(text), "a number above 0", "correct it, or take the record out")
    return out
