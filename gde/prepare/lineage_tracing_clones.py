"""Clones: which clone a cell belongs to, from a matrix of cells by clones."""

from typing import Any

import numpy as np

from gde.errors import bad

NONE, DOUBLET = -1, -2


def clone_of(matrix: Any, where: str) -> np.ndarray:
    """The clone (N,) int64 of every cell: its column, NONE for a cell without, DOUBLET for one with two or more.

    matrix : `DiskRows` (N, clones). A cell has a clone where its row has an entry that is not zero, the first column
    included. Raises GdeError for entries that are no counts.
    """
    x = matrix[slice(0, matrix.shape[0])]
    x.sum_duplicates()
    wrong = (x.data < 0) | (x.data != np.rint(x.data))
    if wrong.any():
        i = int(np.flatnonzero(wrong)[0])
        row = int(np.searchsorted(x.indptr, i, side="right") - 1)
        value = f"{x.data[i]:g} in row {row + 1}, column {x.indices[i] + 1}"
        raise bad(where, value, "0 or 1: does the cell bear the clone's barcode?", "check which file this is")
    x.eliminate_zeros()
    clones = np.diff(x.indptr)
    out = np.where(clones == 0, NONE, DOUBLET)
    out[clones == 1] = x.indices[x.indptr[:-1][clones == 1]]
    return out
