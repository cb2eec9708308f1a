"""Cells of several files as one matrix: genes joined by name, genes of one name added up, cells named apart."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from gde.errors import bad
from gde.readers.anndata import Cells
from gde.readers.missing import missing as is_missing
from gde.readers.values import LINEAR

SHOWN = 5


def listed(names: Sequence[str], shown: int = SHOWN) -> str:
    """'a, b, c, … (12 in all)'."""
    text = ", ".join(map(str, names[:shown]))
    return text if len(names) <= shown else f"{text}, … ({len(names)} in all)"


def unique_names(names: Sequence[str]) -> list[str]:
    """Names with -1, -2, ... behind those that stood there before."""
    seen: dict[str, int] = {}
    taken, out = set(names), []
    for name in names:
        n = seen.get(name, 0)
        seen[name] = n + 1
        new = name
        while n and (new := f"{name}-{n}") in taken:
            n = seen[name] = n + 1
        taken.add(new)
        out.append(new)
    return out


def missing_as_text(values: np.ndarray, missing: str) -> np.ndarray:
    """A column as text, whole numbers without a decimal point, `missing` where there is none, or a word for it."""
    series = pd.Series(values, dtype=object)
    none = pd.Series(is_missing(series), series.index)
    numbers = pd.to_numeric(series.where(~none), errors="coerce")
    whole = numbers.notna() & (numbers == numbers.round()) & series.map(lambda v: not isinstance(v, str))
    text = series.astype(str)
    text[whole] = numbers[whole].astype(np.int64).astype(str)
    return text.where(~none, missing).to_numpy(dtype=object)


class GeneMap:
    """From the columns of one file to the genes of a join, in the join's order; duplicates of a gene are added up."""

    def __init__(self, names: Sequence[str], joined: Sequence[str]):
        """names (g,) may hold a gene more than once; joined (j,) are distinct and all among `names`."""
        place = {n: i for i, n in enumerate(joined)}
        target = np.array([place.get(n, -1) for n in names], np.int64)
        kept = np.flatnonzero(target >= 0)
        _, first = np.unique(target[kept], return_index=True)  # of each joined gene in turn, its first column
        self.first = kept[first]
        later = np.ones(len(names), bool)
        later[self.first] = False
        self.extra = np.flatnonzero(later & (target >= 0))
        self.target = target[self.extra]
        self.identity = len(self.first) == len(names) and bool((self.first == np.arange(len(names))).all())
        n, weight = len(names), np.ones(len(kept), np.float32)
        self.matrix = sp.csr_matrix((weight, (kept, target[kept])), shape=(n, len(joined)))

    def __call__(self, x: Any) -> Any:
        """x (n, g), CSR or dense.   returns (n, j) of the same form."""
        if self.identity:
            return x
        if sp.issparse(x):
            y = (x @ self.matrix).tocsr() if len(self.extra) else x[:, self.first]
            y.sort_indices()
            return y
        y = x[:, self.first]
        np.add.at(y.T, self.target, x[:, self.extra].T)
        return y


class JoinedCells:
    """Several `Cells` one after the other, with the genes that all of them have; used as one `Cells` is.

    genes : the names to join by, one list for each part.   duplicates : genes that some part has more than once.
    Raises GdeError when no gene is shared, and for duplicates of values that cannot be added up.
    """

    def __init__(self, parts: dict[str, Cells], genes: dict[str, list[str]]):
        self.parts = parts
        first, *others = (set(names) for names in genes.values())
        shared = first.intersection(*others)
        order = next(iter(genes.values()))
        self.var_names = [n for n in dict.fromkeys(order) if n in shared]
        if not self.var_names:
            sizes = "; ".join(f"{part}: {listed(names, 3)}" for part, names in genes.items())
            raise bad(
                ", ".join(c.where for c in parts.values()),
                f"no gene in common ({sizes})",
                "files whose genes have the same kind of names",
                "choose with dataset.genes the column of var that holds the symbols",
            )
        self.duplicates: dict[str, list[str]] = {}
        for part, names in genes.items():
            index = pd.Index(names)
            twice = [n for n in dict.fromkeys(index[index.duplicated()]) if n in shared]
            if twice:
                self.duplicates[part] = twice
                cells = parts[part]
                if cells.values not in LINEAR:
                    raise bad(
                        f"{cells.where}: var",
                        f"{len(twice)} genes more than once ({listed(twice)})",
                        f"each gene once: values: {cells.values} cannot be added up",
                        "drop the duplicates, or give counts",
                    )
        self.maps = {part: GeneMap(names, self.var_names) for part, names in genes.items()}
        self.starts = dict(zip(parts, np.cumsum([0, *map(len, parts.values())])[:-1].tolist(), strict=True))
        self.obs_names = [f"{part}:{n}" if len(parts) > 1 else n for part, c in parts.items() for n in c.obs_names]

    def __len__(self) -> int:
        return len(self.obs_names)

    def chunks(self) -> Iterator[tuple[int, Any]]:
        """(first row, rows (n, genes)) of all parts in turn, as of `Cells.chunks`."""
        for part, cells in self.parts.items():
            for start, x in cells.chunks():
                yield self.starts[part] + start, self.maps[part](x)

    def column(self, name: str, of: dict[str, str] | None = None) -> np.ndarray:
        """An obs column (N,) of all parts; `of` gives its name in each part where they differ."""
        return np.concatenate([np.asarray(c.obs((of or {}).get(p, name)), object) for p, c in self.parts.items()])
