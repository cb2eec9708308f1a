"""Sparse matrices whose values lie on disk: row slices in memory one at a time, from entries in any order."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from gde.errors import bad

NNZ_PIECE = 4_000_000

# Entries of a matrix, a piece at a time: (row numbers, column numbers, values), each (m,).
Pieces = Callable[[], Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]]


class DiskRows:
    """Row slices of a CSR matrix whose values and column numbers are read when asked for (HDF5, files, memory maps)."""

    def __init__(self, data: Any, indices: Any, indptr: np.ndarray, shape: tuple[int, int]):
        self.data, self.indices, self.indptr, self.shape = data, indices, indptr, shape

    def __getitem__(self, rows: slice) -> sp.csr_matrix:
        lo, hi = self.indptr[rows.start], self.indptr[rows.stop]
        pointers = self.indptr[rows.start : rows.stop + 1] - lo
        columns = np.asarray(self.indices[lo:hi])
        if columns.size and not 0 <= columns.min() <= columns.max() < self.shape[1]:  # before they are cut to 32 bits
            raise ValueError(f"column numbers outside the matrix, beyond {self.shape[1]}")
        parts = (np.asarray(self.data[lo:hi]), columns.astype(np.int32), pointers)
        return sp.csr_matrix(parts, shape=(rows.stop - rows.start, self.shape[1]))


class FileArray:
    """A file of plain numbers, read by slices: unlike a memory map's, the pages read are not the process's memory."""

    def __init__(self, file: Path, dtype: type):
        self.file, self.dtype = file, np.dtype(dtype)

    def __getitem__(self, part: slice) -> np.ndarray:
        start = int(part.start)
        count = int(part.stop) - start
        if count == 0:
            return np.zeros(0, self.dtype)
        return np.fromfile(self.file, self.dtype, count, offset=start * self.dtype.itemsize)


def reserve(file: Path, dtype: type, n: int) -> np.memmap:
    """A new file of n numbers with its disk blocks reserved: a full disk is an error here, not a SIGBUS later."""
    with file.open("wb") as f:
        os.posix_fallocate(f.fileno(), 0, n * np.dtype(dtype).itemsize)
    return np.memmap(file, dtype=dtype, mode="r+", shape=(n,))


def csc_to_csr(data: Any, indices: Any, indptr: np.ndarray, shape: tuple[int, int], tmp: Path, where: str) -> DiskRows:
    """Rewrite a column-sorted sparse matrix (indptr (genes + 1,)) row-sorted in two files under `tmp`."""
    nnz = int(indptr[-1])

    def pieces() -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        for lo in range(0, nnz, NNZ_PIECE):
            hi = min(lo + NNZ_PIECE, nnz)
            columns = np.searchsorted(indptr, np.arange(lo, hi), side="right") - 1
            yield indices[lo:hi], columns, data[lo:hi]

    n = shape[0]
    per_row = np.zeros(n, dtype=np.int64)
    for lo in range(0, nnz, NNZ_PIECE):
        rows = indices[lo : min(lo + NNZ_PIECE, nnz)]
        if rows.min() < 0 or rows.max() >= n:
            raise bad(where, "row numbers outside the matrix", f"below {n}", "the file is damaged")
        per_row += np.bincount(rows, minlength=n)
    return sort_by_row(pieces, per_row, shape, tmp)


def sort_by_row(pieces: Pieces, per_row: np.ndarray, shape: tuple[int, int], tmp: Path) -> DiskRows:
    """Entries in any order as rows on disk, in two files under `tmp`; per_row (n,) int64 counts the entries of each.

    Entries of a row keep their order. Anonymous memory: 16 bytes a row and that of a few pieces; the files hold 8 bytes
    per entry.
    """
    pointers = np.concatenate([[0], np.cumsum(per_row)])
    nnz = int(pointers[-1])
    if nnz == 0:
        return DiskRows(np.zeros(0, np.float32), np.zeros(0, np.int32), pointers, shape)
    values, columns = reserve(tmp / "data", np.float32, nnz), reserve(tmp / "indices", np.int32, nnz)
    following = pointers[:-1].copy()
    for rows, cols, x in pieces():
        order = np.argsort(rows, kind="stable")
        rows = rows[order]
        count = np.bincount(rows, minlength=shape[0])
        rank = np.arange(len(rows)) - (np.cumsum(count) - count)[rows]  # place within the row, in this piece
        target = following[rows] + rank
        values[target] = x[order]
        columns[target] = cols[order]
        following += count
    return DiskRows(values, columns, pointers, shape)
