"""10x matrices: what Cell Ranger writes, filtered_feature_bc_matrix.h5 or the folder of MatrixMarket and lists."""

import csv
import gzip
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from gde.errors import bad
from gde.files.input_files import tenx_files
from gde.files.io import storage_errors
from gde.files.sniffing import looks_like_html, not_utf8
from gde.readers import hdf5
from gde.readers.disk import DiskRows, csc_to_csr
from gde.readers.matrix_market import read_matrix_market

GENES = "Gene Expression"  # what version 3 calls the features that are genes; version 2 has no others
WHOLE = "a matrix that Cell Ranger wrote"
REMEDY = "give filtered_feature_bc_matrix.h5, or the folder of matrix.mtx, features.tsv (genes.tsv) and barcodes.tsv"


@dataclass(frozen=True)
class Features:
    """The features of a matrix in its order: ids and names (symbols) as text, types (n,) such as 'Gene Expression'."""

    ids: list[str]
    names: list[str]
    types: list[str]

    def count_by_type(self) -> dict[str, int]:
        """How many features there are of each type, in order of appearance."""
        return {kind: self.types.count(kind) for kind in dict.fromkeys(self.types)}


@dataclass(frozen=True)
class TenxMatrix:
    """Counts: matrix (cells, features) whose row slices are CSR; barcodes (cells,); what the messages call it."""

    where: str
    matrix: Any
    barcodes: list[str]
    features: Features


@contextmanager
def read_tenx(path: Path, scratch: Path) -> Iterator[TenxMatrix]:
    """Open a matrix of Cell Ranger, versions 2 and 3; memory stays near 0.5 GB, whatever its size.

    scratch : a directory on disk; a MatrixMarket file takes 20 bytes there for each stored count. GdeError for files
    that are missing, damaged, of several genomes (version 2), or do not fit each other.
    """
    files = tenx_files(path)
    for file in files.values():
        if not file.is_file():
            raise bad(file, "no such file", f"a file of {WHOLE}", REMEDY)
    with ExitStack() as stack:
        if path.is_dir():
            with storage_errors(scratch):
                tmp = stack.enter_context(TemporaryDirectory(dir=scratch, prefix=".gde-tenx-"))
            features, barcodes = read_features(files["features"]), _lines(files["barcodes"], "one barcode a line")
            names = [row[0] for row in barcodes]
            matrix = _cells_in_rows(files["matrix"], (len(features.ids), len(names)), Path(tmp))
        else:
            f = stack.enter_context(hdf5.open_hdf5(path))
            with hdf5.reading(path):
                matrix, names, features = _open_h5(f, path)
        yield TenxMatrix(str(path), matrix, names, features)


def read_features(path: Path) -> Features:
    """features.tsv (id, name, type, of some also a place in the genome) or genes.tsv (id, name)."""
    rows = _lines(path, "id, name and, from version 3 on, type in every line, separated by tabs")
    width = len(rows[0])
    if width < 2:
        raise bad(f"{path}: line 1", f"{width} column", "id and name, separated by a tab", "check which file this is")
    for number, row in enumerate(rows, 1):
        if len(row) != width or not row[0] or not row[1]:
            raise bad(f"{path}: line {number}", f"{row}", f"{width} columns as in line 1, none empty", "fetch it again")
    types = [row[2] for row in rows] if width > 2 else [GENES] * len(rows)
    return Features([row[0] for row in rows], [row[1] for row in rows], types)


def _lines(path: Path, expected: str) -> list[list[str]]:
    if looks_like_html(path):
        raise bad(path, "an HTML page", expected, "fetch the file itself, not the page about it")
    with path.open("rb") as f:
        opener = gzip.open if f.read(2) == b"\x1f\x8b" else open
    try:
        with opener(path, "rt", encoding="utf-8", newline="") as f:
            rows = list(csv.reader(f, delimiter="\t", quoting=csv.QUOTE_NONE))
    except UnicodeDecodeError as e:
        raise not_utf8(path, opener, expected) from e
    except (EOFError, zlib.error, gzip.BadGzipFile) as e:
        raise bad(path, f"a truncated or damaged file ({e})", expected, "fetch it again") from e
    empty = [number for number, row in enumerate(rows, 1) if not row or not row[0]]
    if empty or not rows:
        raise bad(f"{path}: line {empty[0] if empty else 1}", "nothing", expected, "fetch it again")
    return rows


def _cells_in_rows(path: Path, shape: tuple[int, int], scratch: Path) -> DiskRows:
    """The matrix (features, cells) of a MatrixMarket file, turned."""
    matrix = read_matrix_market(path, scratch)
    if matrix.shape != shape:
        found = f"a matrix of {matrix.shape[0]} x {matrix.shape[1]}"
        expected = f"{shape[0]} x {shape[1]}, features in rows and barcodes in columns, as the lists beside it say"
        turned = matrix.shape == shape[::-1]
        raise bad(path, found, expected, "it is transposed" if turned else "take all files from one folder of outputs")
    return csc_to_csr(matrix.data, matrix.indices, matrix.indptr, shape[::-1], scratch, str(path))


def _open_h5(f: Any, path: Path) -> tuple[DiskRows, list[str], Features]:
    """Matrix, barcodes and features of an open file: /matrix of version 3, /<genome> of version 2."""
    groups = [name for name in f if hasattr(f[name], "keys") and "barcodes" in f[name]]
    if not groups:
        remedy = "for an .h5ad file use dataset.kind: h5ad" if "obs" in f else REMEDY
        raise bad(path, f"an HDF5 file with {', '.join(f) or 'nothing'} in it", WHOLE, remedy)
    if len(groups) > 1:
        found = f"the genomes {', '.join(groups)}"
        raise bad(path, found, "one genome", "run cellranger again for one, or give the folder of one genome")
    node = f[groups[0]]
    missing = [name for name in ("data", "indices", "indptr", "shape") if name not in node]
    third = "features" in node
    if not third:
        missing += [name for name in ("genes", "gene_names") if name not in node]
    else:
        missing += [f"features/{name}" for name in ("id", "name", "feature_type") if name not in node["features"]]
    if missing:
        raise bad(f"{path}: {groups[0]}", f"no {', '.join(missing)}", WHOLE, "fetch or write the file again")
    if third:
        columns = [hdf5.text(node["features"][name][:]).tolist() for name in ("id", "name", "feature_type")]
    else:
        columns = [hdf5.text(node[name][:]).tolist() for name in ("genes", "gene_names")]
        columns.append([GENES] * len(columns[0]))
    barcodes = hdf5.text(node["barcodes"][:]).tolist()
    n_features, n_cells = (int(n) for n in node["shape"][:])
    where, indptr = f"{path}: {groups[0]}", node["indptr"][:].astype(np.int64)
    stored = node["data"].shape[0]
    if len(barcodes) != n_cells or any(len(column) != n_features for column in columns):
        found = f"{len(columns[0])} features and {len(barcodes)} barcodes"
        raise bad(where, found, f"{n_features} and {n_cells} as shape says", "fetch or write the file again")
    fits = len(indptr) == n_cells + 1 and indptr[0] == 0 and indptr[-1] == stored and (np.diff(indptr) >= 0).all()
    if not fits or node["indices"].shape != (stored,):
        raise bad(where, "pointers that do not fit the stored counts", "a whole sparse matrix", "fetch the file again")
    return DiskRows(node["data"], node["indices"], indptr, (n_cells, n_features)), barcodes, Features(*columns)


def read_barcodes(path: Path) -> list[str]:
    """The barcodes of a matrix, without its counts. GdeError as `read_tenx`."""
    if path.is_dir():
        return [row[0] for row in _lines(tenx_files(path)["barcodes"], "one barcode a line")]
    with read_tenx(path, path.parent) as tenx:
        return tenx.barcodes
