"""Sequences of a new file, held against what a model was trained on: alphabet, form and length."""

import logging
from typing import TYPE_CHECKING

import numpy as np

from gde.errors import bad
from gde.readers.sequence_files import Records, SequenceFile, first_fault
from gde.sets.types.alphabet import END, lengths

if TYPE_CHECKING:
    from gde.models.base import Model

log = logging.getLogger(__name__)
ENOUGH = 50  # residues from which on a protein of A, C, G and T alone is no chance
DNA_ONLY = "ACGTNX"
PATTERNED = ("methylation",)  # data sets of which a sequence is a context and then a residue for each CpG
CALLS = "CTN"


class Found:
    """What the sequences of a file are, looked at while they pass."""

    def __init__(self, model: "Model", file: SequenceFile):
        self.alphabet, self.file = model.alphabet, file
        self.seen = np.zeros(model.alphabet.size + 1, np.int64)
        self.n = self.shorter = self.longer = 0
        self.trained = model.config.get("lengths")  # the shortest and longest of training; None of an earlier gde
        dataset = model.config.get("dataset", {})
        self.context = dataset["context"] if dataset.get("kind") in PATTERNED else None

    def add(self, tokens: np.ndarray, records: Records, kept: np.ndarray) -> None:
        """Tokens (m, length) of those `records` that are `kept` (n,). GdeError for one without a model's form."""
        if self.context is not None:
            self._check_form(tokens, records, kept)
        own = lengths(tokens)
        self.seen += np.bincount(tokens.ravel(), minlength=len(self.seen))
        self.n += len(tokens)
        if self.trained is not None:
            self.shorter += int((own < self.trained[0]).sum())
            self.longer += int((own > self.trained[1]).sum())

    def _check_form(self, tokens: np.ndarray, records: Records, kept: np.ndarray) -> None:
        called = tokens[:, self.context :]
        calls = self.alphabet.encode(CALLS)
        wrong = (called[:, 0] == END) | ~np.isin(called, [END, *calls]).all(1)
        if wrong.any():
            row = int(np.flatnonzero(kept)[int(wrong.argmax())])
            found = f"a sequence that is not {self.context} residues before a CpG and then one of C, T, N for each CpG"
            expected = "reads in the form that the model was trained on (its samples.fasta.gz has it)"
            remedy = "give the .pat.gz or .bam file of the sample"
            raise first_fault(records, self.file, row, found, expected, remedy)

    def finish(self, counted: dict[str, int], length: int) -> None:
        """After the last record. GdeError for DNA given to a model of proteins; what was cut, left out or replaced, and
        lengths that training did not have, go to the log."""
        names = {symbol for symbol, n in zip(self.alphabet.symbols, self.seen[1:], strict=True) if n}
        if self.alphabet.name == "protein" and names <= set(DNA_ONLY) and self.seen[1:].sum() >= ENOUGH:
            found = f"residues {', '.join(sorted(names))} only, as of DNA"
            raise bad(self.file.path, found, "proteins, as the model was trained on", "translate the sequences")
        told = {
            f"cut at {length}": counted["cut"],
            f"left out, longer than {length}": counted["too_long"],
            f"with other residues, read as {self.alphabet.unknown}": counted["with_other_residues"],
        }
        if self.trained is not None:
            told[f"shorter than any of training ({self.trained[0]})"] = self.shorter
            told[f"longer than any of training ({self.trained[1]})"] = self.longer
        total = self.n + counted["too_long"]
        if parts := [f"{n} {what}" for what, n in told.items() if n]:
            log.warning("%s: of %d sequences %s", self.file.path, total, "; ".join(parts))
