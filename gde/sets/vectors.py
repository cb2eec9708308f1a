"""Vectors that describe conditions (genes, drugs), by name: what lets an unseen condition be predicted."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gde.errors import bad
from gde.io import read_json, write_json

if TYPE_CHECKING:
    from gde.sets.store import SetStore

TENSORS, NAMES = "vectors.safetensors", "vectors.json"


@dataclass(frozen=True)
class Vectors:
    """names : n conditions, each once; table (n, k) float32; source : where they are from, for reports."""

    names: list[str]
    table: np.ndarray
    source: str

    def __post_init__(self):
        if self.table.ndim != 2 or len(self.table) != len(self.names) or not np.isfinite(self.table).all():
            found = f"{len(self.names)} names and an array {self.table.shape}, or numbers that are not finite"
            raise bad(self.source, found, "one finite vector per name", "check the file")
        if len(set(self.names)) < len(self.names):
            twice = next(n for n in self.names if self.names.count(n) > 1)
            raise bad(self.source, f"{twice!r} a second time", "each name once", "remove one of the rows")

    def rows(self, names: Sequence[str]) -> np.ndarray:
        """Position of each name (m,) int64, -1 where there is none."""
        place = {name: i for i, name in enumerate(self.names)}
        return np.array([place.get(str(name), -1) for name in names], dtype=np.int64)

    def shuffled(self, seed: int) -> "Vectors":
        """The same vectors under each other's names: a control that must not be able to predict anything."""
        order = np.random.default_rng(seed).permutation(len(self.names))
        return Vectors(self.names, self.table[order], f"{self.source}, shuffled")

    def save(self, directory: str | os.PathLike) -> None:
        """Write vectors.safetensors and vectors.json into a directory that exists."""
        from safetensors.numpy import save_file

        directory = Path(directory)
        save_file({"vectors": np.ascontiguousarray(self.table, np.float32)}, directory / TENSORS)
        write_json(directory / NAMES, {"names": self.names, "source": self.source})


def load_vectors(store: "SetStore") -> Vectors | None:
    """The vectors that a store was prepared with, None without. GdeError names a file that is damaged."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    if not (store.path / NAMES).is_file():
        return None
    meta, file = read_json(store.path / NAMES), store.path / TENSORS
    try:
        return Vectors(list(meta["names"]), load_file(file)["vectors"], meta["source"])
    except (FileNotFoundError, SafetensorError, KeyError, TypeError) as e:
        raise bad(file, f"unreadable ({e})", "the vectors of the store", "make the store again") from e
