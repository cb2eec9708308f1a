"""Vectors that describe conditions (genes, drugs), by name: what lets an unseen condition be predicted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from gde.errors import bad

if TYPE_CHECKING:
    from gde.sets.store.set_store import SetStore


@dataclass(frozen=True)
class Vectors:
    """names : n conditions, each once; table (n, k) float32; source : where they are from, for reports.

    lost : the conditions of which nothing is known, the mean of the others standing for their vector.
    """

    names: list[str]
    table: np.ndarray
    source: str
    lost: tuple[str, ...] = ()

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
        return Vectors(self.names, self.table[order], f"{self.source}, shuffled", self.lost)

    def frame(self) -> pd.DataFrame:
        """The table `vectors` of a set store: condition, source, known (False for the lost ones), v0, v1, ...."""
        values = pd.DataFrame(self.table, columns=[f"v{i}" for i in range(self.table.shape[1])])
        values.insert(0, "condition", self.names)
        values.insert(1, "source", self.source)
        values.insert(2, "known", ~np.isin(self.names, self.lost))
        return values


def load_vectors(store: "SetStore") -> Vectors | None:
    """The vectors that a store was prepared with (`Vectors.frame` as its table `vectors`), None without."""
    if not (store.path / "vectors.parquet").is_file():
        return None
    frame = store.table("vectors")
    try:
        table = frame.drop(columns=["condition", "source", "known"]).to_numpy(np.float32)
        names = frame["condition"].astype(str)
        lost = tuple(names[~frame["known"].astype(bool)])
        return Vectors(names.tolist(), table, str(frame["source"].iloc[0]), lost)
    except (LookupError, TypeError, ValueError) as e:
        found, expected = f"a table without vectors ({e})", "condition, source and a column for each number"
        raise bad(store.path / "vectors.parquet", found, expected, "make the set store again") from e
