"""Cells of an .h5ad file (any layout since anndata 0.6) or an AnnData in memory, read in chunks of rows."""

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp

from gde.errors import bad
from gde.files.io import storage_errors
from gde.readers import hdf5
from gde.readers.disk import DiskRows, csc_to_csr
from gde.readers.values import ValueCheck

log = logging.getLogger(__name__)

# Values of one chunk if it were dense: 64 MB in float32, whatever the number of genes. Dense arrays stored in one piece
# are read in smaller ones, whose temporaries the allocator reuses instead of asking the system for pages every time;
# smaller pieces of HDF5 chunks would be unpacked again and again.
CHUNK_VALUES = 16_000_000
PIECE_VALUES = 2_000_000
CHUNK = 4096  # rows


class Unread(NamedTuple):
    """The shape of a matrix that is not read."""

    shape: tuple[int, int]


class Cells:
    """A matrix of cells with names and obs columns; `chunks()` may be called again and again.

    where : what messages call it;  obs_names, var_names : list of str;  obs : callable giving one column by name.
    var : the same for genes, None where there are only names.   unique : refuse gene names that stand there twice.
    whole : of `ValueCheck`; for whoever reads to say.
    """

    def __init__(
        self,
        where: str,
        matrix: Any,
        obs_names: Sequence,
        var_names: Sequence,
        obs: Any,
        values: str,
        chunk: int = CHUNK,
        *,
        var: Any = None,
        unique: bool = True,
    ):
        self.where, self.matrix, self.obs, self.var, self.values = where, matrix, obs, var, values
        self.obs_names, self.var_names = [str(n) for n in obs_names], [str(n) for n in var_names]
        self._checked = self._rounding = False
        self.whole = True
        sparse = sp.issparse(matrix) or isinstance(matrix, DiskRows)
        values = CHUNK_VALUES if sparse or getattr(matrix, "chunks", None) else PIECE_VALUES
        self.step = max(1, min(chunk, values // max(len(self.var_names), 1)))
        if matrix.shape != (len(self.obs_names), len(self.var_names)):
            turned = matrix.shape == (len(self.var_names), len(self.obs_names))
            raise bad(
                where,
                f"a matrix of shape {tuple(matrix.shape)}",
                f"({len(self.obs_names)}, {len(self.var_names)}) as obs and var say",
                "it is transposed: give cells in rows, genes in columns" if turned else "write the file again",
            )
        if 0 in matrix.shape:
            raise bad(
                where, f"{matrix.shape[0]} cells and {matrix.shape[1]} genes", "at least one of each", "check the file"
            )
        kinds = [("obs", self.obs_names, "obs_names"), ("var", self.var_names, "var_names")]
        for kind, names, remedy in kinds if unique else kinds[:1]:
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
        columns = {n: np.asarray(self.obs(n), dtype=object) for n in names}
        for name, values in columns.items():
            if values.shape != (len(self),):
                found, expected = f"values of shape {values.shape}", f"{len(self)}, one for each cell"
                raise bad(f"{self.where}: obs.{name}", found, expected, "write the file again")
        return pd.DataFrame(columns)

    def chunks(self) -> Iterator[tuple[int, Any]]:
        """(first row, rows (n, genes) float32, canonical CSR or dense); GdeError at the first bad value.

        Values are checked until a pass has come to its end: what was good is not looked at again.
        """
        names = self.obs_names, self.var_names
        check = None if self._checked else ValueCheck(self.where, self.values, *names, whole=self.whole)
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
            if check is not None:
                check.add(start, x)
                self._rounding |= check.rounded > 0
            if self._rounding:
                x = sp.csr_matrix((np.rint(x.data), x.indices, x.indptr), x.shape) if sp.issparse(x) else np.rint(x)
            yield start, x
        if check is not None:
            check.finish()
            self._checked = True
            if check.rounded:
                words = "%s: counts that are up to %.2g from whole numbers, as rounding leaves them, are made whole"
                log.info(words, self.where, check.rounded)


@contextmanager
def read_cells(
    source: Any,
    *,
    layer: str | None = None,
    use_raw: bool = False,
    values: str,
    chunk: int = CHUNK,
    scratch: str | os.PathLike | None = None,
    unique: bool = True,
    names_only: bool = False,
) -> Iterator[Cells]:
    """Open an .h5ad path or an AnnData for reading in chunks; memory stays at a chunk, whatever the size.

    A CSC matrix is first turned into CSR on disk, in a temporary directory under `scratch` (default: the system's),
    8 bytes per stored value. names_only : of a path, names and columns are wanted, and the matrix is left alone. Raises
    GdeError for what is not a readable .h5ad, unknown layers, duplicated names.
    """
    if layer is not None and use_raw:
        raise bad(
            "dataset", f"layer: {layer} together with use_raw: true", "one of them", "set layer: null or use_raw: false"
        )
    if hasattr(source, "obs_names"):
        yield _from_anndata(source, layer, use_raw, values, chunk, unique)
        return
    path = Path(source)
    with hdf5.open_hdf5(path) as f, ExitStack() as stack:
        with hdf5.reading(path):
            if "obs" not in f or "var" not in f or ("mod" in f and "X" not in f):
                raise hdf5.not_anndata(f, path)
            node, var = _locate(f, path, layer, use_raw)
            matrix = None if names_only else _open_matrix(node, path, scratch, stack)
            obs_names, var_names = hdf5.index(f["obs"], path), hdf5.index(var, path)
            matrix = Unread((len(obs_names), len(var_names))) if matrix is None else matrix
        frame = var.name.lstrip("/")
        columns = [lambda n, at=at: hdf5.column(f, at, n, path) for at in ("obs", frame)]
        yield Cells(str(path), matrix, obs_names, var_names, columns[0], values, chunk, var=columns[1], unique=unique)


def _from_anndata(adata: Any, layer: str | None, use_raw: bool, values: str, chunk: int, unique: bool) -> Cells:
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

    def of(kind: str, frame: pd.DataFrame, name: str) -> np.ndarray:
        if name not in frame:
            raise hdf5.unknown(f"AnnData: {kind}", name, list(frame.columns))
        return frame[name].astype(object).to_numpy()

    genes = (adata.raw if use_raw else adata).var
    columns = partial(of, "obs", adata.obs), partial(of, "var", genes)
    names = adata.obs_names, genes.index
    return Cells("AnnData", matrix, *names, columns[0], values, chunk, var=columns[1], unique=unique)


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
        return DiskRows(node["data"], node["indices"], indptr, shape)
    with storage_errors(Path(scratch or gettempdir())):
        tmp = stack.enter_context(TemporaryDirectory(dir=scratch, prefix=".gde-csr-"))
        return csc_to_csr(node["data"], node["indices"], indptr, shape, Path(tmp), where)
