"""Streaming writer of gzipped MatrixMarket files, row by row or column by column."""

import gzip
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp


def write_mtx(
    path: Path, chunks: Iterable[Any], shape: tuple[int, int], *, field: str = "real", by_column: bool = False
) -> int:
    """Write rows (m, columns), sparse or dense, chunk by chunk; by_column holds all of it. returns the entries.

    The header tells the number of entries, which is known at the end: it is a gzip member of its own in front.
    """
    import pyarrow as pa
    from pyarrow import csv

    body, entries, start = path.with_name(path.name + ".body"), 0, 0
    options = csv.WriteOptions(include_header=False, delimiter=" ")
    if by_column:
        whole = sp.vstack([sp.csr_matrix(c) for c in chunks]).tocsc()
        chunks = [whole]
    with body.open("wb") as f, gzip.GzipFile("", fileobj=f, mode="wb", compresslevel=1, mtime=0) as out:
        for chunk in chunks:
            x = chunk.tocoo() if sp.issparse(chunk) else sp.coo_matrix(chunk)
            values = x.data.astype(np.int64) if field == "integer" else x.data.astype(np.float32)
            parts = [(x.row + start + 1).astype(np.int64), (x.col + 1).astype(np.int64), values]
            csv.write_csv(pa.table(parts, names=["row", "column", "value"]), out, options)
            entries += x.nnz
            start += x.shape[0]
    head = f"%%MatrixMarket matrix coordinate {field} general\n%\n{shape[0]} {shape[1]} {entries}\n"
    with path.open("wb") as f:
        f.write(gzip.compress(head.encode(), mtime=0))  # members of a gzip file follow each other
        with body.open("rb") as rest:
            while block := rest.read(1 << 24):
                f.write(block)
    body.unlink()
    return entries


def write_text(path: Path, text: str) -> None:
    """A gzipped text."""
    path.write_bytes(gzip.compress(text.encode(), mtime=0))
