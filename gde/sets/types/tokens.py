"""Tokens: sequences of an alphabet, each up to a greatest length, one number for each residue or base."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gde.errors import bad
from gde.sets.types.base import SampleType

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from gde.sets.types.alphabet import Alphabet


class Tokens(SampleType):
    """A sequence (length,) of tokens 1..size of the alphabet of its name, zeros behind the end; nothing to scale."""

    DTYPE = "uint8"
    PLURAL, FILE = "sequences", "a file of sequences"
    FIELDS = ("x", "offsets")  # all tokens one behind the other, and where each sequence starts
    SUFFIX, WRITER = ".fasta.gz", "gde.export.samples_fasta:write_sequences"
    READER = "gde.prepare.common.query_sequences:sequence_store"
    OPTIONS = ("fields", "sequence", "weight", "too_long", "other_residues")
    COLUMN = "sequence"  # of a table, that holds the samples where nothing else is said

    @property
    def names(self) -> tuple[str, ...]:
        return ("tokens", self.name)

    @property
    def described(self) -> str:
        return f"{self.PLURAL} of {self.name}"

    @property
    def alphabet(self) -> "Alphabet":
        from gde.sets.types.alphabet import ALPHABETS

        return ALPHABETS[self.name]

    @property
    def positions(self) -> int:
        return self.dim

    @property
    def sizes(self) -> dict[str, Any]:
        return {"dim": self.dim, "vocabulary": self.alphabet.size}

    @property
    def section(self) -> dict[str, Any]:
        return {"tokens": {"alphabet": self.name, "length": self.dim}}

    def noise(self, *leading: int) -> "Tensor":
        import torch

        return torch.randint(1, self.alphabet.known + 1, (*leading, *self.shape), dtype=torch.uint8)

    def check_values(self, real: "Tensor") -> None:
        largest = self.alphabet.size
        if str(real.dtype) != f"torch.{self.DTYPE}" or (real > largest).any():
            found = f"values of type {real.dtype} up to {real.max()}"
            expected = f"tokens of type {self.DTYPE}, 0 to {largest}"
            raise bad("x", found, expected, f"encode sequences with gde.sets.types.alphabet ({self.name})")

    def placed(self, x: "Tensor", like: "Tensor") -> "Tensor":
        return x.to(like.device)

    def standardise(self, x: "Tensor", mean: "Tensor", scale: "Tensor") -> "Tensor":
        return x

    def restore(self, x: "Tensor", mean: "Tensor", scale: "Tensor") -> "Tensor":
        return x

    def lengths(self, rows: int) -> dict[str, int | None]:
        return {"x": None, "offsets": rows + 1}

    def check_fields(self, path: Path, fields: "Mapping[str, np.ndarray]", meta: Mapping[str, Any]) -> None:
        from gde.sets.store.check import check_tokens

        check_tokens(path, fields["x"], fields["offsets"], meta)

    def read(self, fields: "Mapping[str, np.ndarray]", rows: slice) -> "np.ndarray":
        from gde.sets.store.ragged import padded

        offsets = fields["offsets"]
        return padded(fields["x"], offsets[rows], offsets[rows.start + 1 : rows.stop + 1], self.dim)

    def take(self, fields: "Mapping[str, np.ndarray]", rows: "np.ndarray") -> "np.ndarray":
        from gde.sets.store.ragged import padded

        offsets = fields["offsets"]
        return padded(fields["x"], offsets.take(rows), offsets.take(rows + 1), self.dim)
