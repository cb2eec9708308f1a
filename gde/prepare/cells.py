"""Cells of an .h5ad file (any layout since anndata 0.6) or an AnnData in memory, read in chunks of rows."""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from gde.errors import bad
from gde.io import storage_errors
from gde.prepare import hdf5
from gde.prepare.values import ValueCheck

# Values of one chunk if it were dense: 64 MB in float32, whatever the number of genes.
CHUNK_VALUES = 16_000_000
NNZ_PIECE = 4_000_000


class Cells:
    """A matrix of cells with names and obs columns; `chunks()` may be called again and again.

    where : what messages call it;  obs_names, var_names : list of str;  obs : callable giving one column by name.
    """

    def __init__(
        self, where: str, matrix: Any, obs_names: Sequence, var_names: Sequence, obs: Any, values: str, chunk: int
    ):
        self.where, self.matrix, self._obs, self.values = where, matrix, obs, values
        self.obs_names, self.var_names = [str(n) for n in obs_names], [str(n) for n in var_names]
        self.step = max(1, min(chunk, CHUNK_VALUES // max(len(self.var_names), 1)))
        if matrix.shape != (len(self.obs_names), len(self.var_names)):
            raise bad(
                where,
                f"a matrix of shape {tuple(matrix.shape)}",
                f"({len(self.obs_names)}, {len(self.var_names)}) as obs and var say",
                "write the file again",
            )
        if 0 in matrix.shape:
            raise bad(
                where, f"{matrix.shape[0]} cells and {matrix.shape[1]} genes", "at least one of each", "check the file"
            )
        for kind, names, remedy in (("obs", self.obs_names, "obs_names"), ("var", self.var_names, "var_names")):
            index = pd.Index(names)
            if not index.is_unique:
                twice = index[index.duplicated()][0]
                rows = ", ".join(str(i) for i in np.flatnonzero(index == twice)[:2])
                raise bad(
                    f"{where}: {kind}",
                    f"the name '{twice}' more than once (entries {rows})",
                    f"unique {kind} names",
                    f"call adata.{remedy}_make_unique() and write the file again",
                )

    def __len__(self) -> int:
        return len(self.obs_names)

    def columns(self, names: Sequence[str]) -> pd.DataFrame:
        """obs columns by name, in file order; GdeError suggests the nearest name."""
        columns = {n: np.asarray(self._obs(n), dtype=object) for n in names}
        for name, values in columns.items():
            if values.shape != (len(self),):
                found, expected = f"values of shape {values.shape}", f"{len(self)}, one for each cell"
                raise bad(f"{self.where}: obs.{name}", found, expected, "write the file again")
        return pd.DataFrame(columns)

    def chunks(self) -> Iterator[tuple[int, Any]]:
        """(first row, rows (n, genes) float32, canonical CSR or dense); GdeError at the first bad value."""
        check = ValueCheck(self.where, self.values, self.obs_names, self.var_names)
        for start in range(0, len(self), self.step):
            with hdf5.reading(self.where):
                x = self.matrix[start : min(start + self.step, len(self))]
            if sp.issparse(x):
                with np.errstate(over="ignore"):  # infinity is found below
                    x = sp.csr_matrix(x, dtype=np.float32)
                if x.nnz and not 0 <= x.indices.min() <= x.indices.max() < x.shape[1]:
                    raise bad(
                        self.where, "column numbers outside the matrix", f"below {x.shape[1]}", "the file is damaged"
                    )
                x.sum_duplicates()
            else:
                with np.errstate(over="ignore"):
                    x = np.asarray(x, dtype=np.float32)
            check.add(start, x)
            yield start, x
        check.finish()


@contextmanager
def read_cells(
    source: Any,
    *,
    layer: str | None = None,
    use_raw: bool = False,
    values: str,
    chunk: int = 4096,
    scratch: str | os.PathLike | None = None,
) -> Iterator[Cells]:
    """Open an .h5ad path or an AnnData for reading in chunks; memory stays at a chunk, whatever the size.

    A CSC matrix is first turned into CSR on disk, in a temporary directory under `scratch` (default: the system's),
    8 bytes per stored value. Raises GdeError for what is not a readable .h5ad, unknown layers, duplicated names.
    """
    if layer is not None and use_raw:
        raise bad(
            "dataset", f"layer: {layer} together with use_raw: true", "one of them", "set layer: null or use_raw: false"
        )
    if hasattr(source, "obs_names"):
        yield _from_anndata(source, layer, use_raw, values, chunk)
        return
    path = Path(source)
    with hdf5.open_hdf5(path) as f, ExitStack() as stack:
        with hdf5.reading(path):
            for key in ("obs", "var"):
                if key not in f:
                    raise bad(path, f"no '{key}' in the HDF5 file", "an .h5ad file", "write it with AnnData.write_h5ad")
            node, var = _locate(f, path, layer, use_raw)
            matrix = _open_matrix(node, path, scratch, stack)
            obs_names, var_names = hdf5.index(f["obs"], path), hdf5.index(var, path)
        yield Cells(str(path), matrix, obs_names, var_names, lambda n: hdf5.column(f, "obs", n, path), values, chunk)


def _from_anndata(adata: Any, layer: str | None, use_raw: bool, values: str, chunk: int) -> Cells:
    if use_raw and adata.raw is None:
        raise bad("AnnData", "no .raw", "an object with .raw", "set use_raw: false")
    if layer is not None and layer not in adata.layers:
        raise hdf5.unknown("AnnData: layers", layer, list(adata.layers))
    matrix = adata.layers[layer] if layer is not None else adata.raw.X if use_raw else adata.X
    if matrix is None:
        raise bad("AnnData", "no X", "a matrix of cells", "give layer: or use_raw: true")
    if not hasattr(matrix, "dtype") or matrix.dtype.kind not in "iufb":
        found = f"values of type {getattr(matrix, 'dtype', type(matrix).__name__)}"
        raise bad("AnnData", found, "numbers", "convert the matrix to float32")
    if sp.issparse(matrix) and matrix.format != "csr":
        matrix = matrix.tocsr()

    def obs(name: str) -> np.ndarray:
        if name not in adata.obs:
            raise hdf5.unknown("AnnData: obs", name, list(adata.obs.columns))
        return adata.obs[name].astype(object).to_numpy()

    return Cells("AnnData", matrix, adata.obs_names, (adata.raw if use_raw else adata).var_names, obs, values, chunk)


def _locate(f: Any, path: Path, layer: str | None, use_raw: bool) -> tuple[Any, Any]:
    """The HDF5 nodes of the matrix and of its var."""
    if use_raw:
        for matrix, var in (("raw/X", "raw/var"), ("raw.X", "raw.var")):  # the second form until anndata 0.6
            if matrix in f:
                return f[matrix], f[var]
        raise bad(path, "no .raw", "a file with .raw", "set use_raw: false, or save adata.raw")
    if layer is not None:
        layers = list(f["layers"]) if "layers" in f else []
        if layer not in layers:
            raise hdf5.unknown(f"{path}: layers", layer, layers)
        return f["layers"][layer], f["var"]
    if "X" not in f:
        raise bad(path, "no X", "a matrix of cells", "give layer: or use_raw: true")
    return f["X"], f["var"]


def _open_matrix(node: Any, path: Path, scratch: str | os.PathLike | None, stack: ExitStack) -> Any:
    """Something with .shape whose row slices are CSR or dense arrays."""
    where = f"{path}: {node.name.lstrip('/')}"
    data = node if hasattr(node, "dtype") else node.get("data")
    if data is None or not hasattr(data, "dtype") or data.dtype.kind not in "iufb":
        kind = f"values of type {data.dtype}" if hasattr(data, "dtype") else "nothing numeric"
        raise bad(where, kind, "numbers, dense or CSR or CSC", "convert the matrix to float32 and write the file again")
    if hasattr(node, "dtype"):
        if len(node.shape) != 2:
            raise bad(where, f"an array of shape {node.shape}", "(cells, genes)", "write the file again")
        return node
    kind = node.attrs.get("encoding-type", node.attrs.get("h5sparse_format", ""))
    kind = kind.decode() if isinstance(kind, bytes) else kind
    shape = node.attrs.get("shape", node.attrs.get("h5sparse_shape"))
    if kind[:3] not in ("csr", "csc") or shape is None or "indices" not in node or "indptr" not in node:
        raise bad(
            where, f"encoding '{kind}'", "a dense, CSR or CSC matrix", "write the file again with AnnData.write_h5ad"
        )
    shape = (int(shape[0]), int(shape[1]))
    for name in ("indices", "indptr"):
        if node[name].dtype.kind not in "iu":
            raise bad(where, f"{name} of type {node[name].dtype}", "whole numbers", "the file is damaged")
    indptr = node["indptr"][:].astype(np.int64)
    major = shape[0] if kind.startswith("csr") else shape[1]
    stored = node["data"].shape[0]
    if len(indptr) != major + 1 or indptr[0] != 0 or indptr[-1] != stored or (np.diff(indptr) < 0).any():
        raise bad(where, "pointers that do not fit the stored values", "a whole sparse matrix", "the file is damaged")
    if node["indices"].shape != (stored,):
        raise bad(where, f"indices {node['indices'].shape} for {stored} values", "one each", "the file is damaged")
    if kind.startswith("csr"):
        return _Rows(node["data"], node["indices"], indptr, shape)
    with storage_errors(Path(scratch or gettempdir())):
        tmp = stack.enter_context(TemporaryDirectory(dir=scratch, prefix=".gde-csr-"))
        return csc_to_csr(node["data"], node["indices"], indptr, shape, Path(tmp), where)


class _Rows:
    """Row slices of a CSR matrix whose values lie on disk (HDF5 data sets or memory maps)."""

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


def _map(file: Path, dtype: type, n: int) -> np.memmap:
    """A new file of n numbers with its disk blocks reserved: a full disk is an error here, not a SIGBUS later."""
    with file.open("wb") as f:
        os.posix_fallocate(f.fileno(), 0, n * np.dtype(dtype).itemsize)
    return np.memmap(file, dtype=dtype, mode="r+", shape=(n,))


def csc_to_csr(data: Any, indices: Any, indptr: np.ndarray, shape: tuple[int, int], tmp: Path, where: str) -> _Rows:
    """Rewrite a column-sorted sparse matrix (indptr (genes + 1,)) row-sorted in two files under `tmp`, in two passes.

    Anonymous memory: 8 bytes a row and about 250 MB for a piece of stored values; the files hold 8 bytes per value.
    """
    n, nnz = shape[0], int(indptr[-1])
    pieces = [(lo, min(lo + NNZ_PIECE, nnz)) for lo in range(0, nnz, NNZ_PIECE)]
    per_row = np.zeros(n, dtype=np.int64)
    for lo, hi in pieces:
        rows = indices[lo:hi]
        if rows.min() < 0 or rows.max() >= n:
            raise bad(where, "row numbers outside the matrix", f"below {n}", "the file is damaged")
        per_row += np.bincount(rows, minlength=n)
    pointers = np.concatenate([[0], np.cumsum(per_row)])
    if nnz == 0:
        return _Rows(np.zeros(0, np.float32), np.zeros(0, np.int32), pointers, shape)
    values, columns = _map(tmp / "data", np.float32, nnz), _map(tmp / "indices", np.int32, nnz)
    following = pointers[:-1].copy()
    for lo, hi in pieces:
        rows = indices[lo:hi]
        order = np.argsort(rows, kind="stable")
        rows = rows[order]
        count = np.bincount(rows, minlength=n)
        rank = np.arange(hi - lo) - (np.cumsum(count) - count)[rows]  # place within the row, in this piece
        target = following[rows] + rank
        values[target] = data[lo:hi][order]
        columns[target] = (np.searchsorted(indptr, np.arange(lo, hi), side="right") - 1)[order]
        following += count
    return _Rows(values, columns, pointers, shape)
