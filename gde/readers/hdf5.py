"""HDF5: reading names and columns of anndata's HDF5 layouts without loading the rest; faults become one line each.

Not with `anndata.io`, whose `read_elem` reads tables written before anndata 0.8 only whole, those of 0.6 without their
categories, and gives codes for values where a table of 0.7 has no encoding; `sparse_dataset` does not mind columns
outside the matrix.
"""

import difflib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from gde.errors import GdeError, bad
from gde.files.sniffing import NO_PICKLES, check_file, kind_of

# What h5py makes of damage, from its own checks, from those of HDF5 and from values that fit no Python object.
DAMAGE = (OSError, RuntimeError, LookupError, ValueError, TypeError, AttributeError, ArithmeticError, MemoryError)


def check_exists(path: Path) -> None:
    """GdeError when `path` is missing, empty or no regular file."""
    remedy = "check dataset.path (relative paths start at the working directory)"
    if zarr_store(path):
        remedy = f"write it as a file: anndata.read_zarr('{path.name}').write_h5ad('{path.stem}.h5ad')"
        raise bad(path, "a Zarr store, which is a directory", "an .h5ad file", remedy)
    check_file(path, "a data file", remedy)
    if path.stat().st_size == 0:
        raise bad(path, "an empty file", "data", "fetch or write it again")


def zarr_store(path: Path) -> bool:
    """Whether this is a directory in which Zarr keeps arrays."""
    return os.path.isdir(path) and any((path / name).is_file() for name in (".zgroup", "zarr.json", ".zmetadata"))


@contextmanager
def open_hdf5(path: Path) -> Iterator[Any]:
    """An open h5py.File without opaque types and without parts in other files; GdeError names what else the file is."""
    import h5py

    check_exists(path)
    if not h5py.is_hdf5(path):
        kind = kind_of(path)
        remedy = "fetch it again, or write it with AnnData.write_h5ad"
        if "pickle" in kind:
            remedy = NO_PICKLES
        elif kind == "a gzip file":
            remedy = "unpack it with gunzip"
        raise bad(path, f"{kind}, not an HDF5 file", "an .h5ad file (HDF5)", remedy)
    with reading(path):
        # The default cache of 1 MB decompresses the same HDF5 chunk again for every block of rows.
        file = h5py.File(path, "r", rdcc_nbytes=64 << 20)
    with file:
        with reading(path):
            _check_parts(file, path)
        yield file


def _check_parts(file: Any, path: Path) -> None:
    """GdeError for values of an opaque type, which hold whatever a program put there, and for data in other files,
    which would be read as zeros once they are gone."""
    import h5py

    def visit(name: str, node: Any) -> None:
        if not isinstance(node, h5py.Dataset):
            return
        if _opaque(node.dtype):
            raise bad(
                f"{path}: {name}",
                f"values of type {node.dtype}, which is opaque",
                "numbers or strings",
                "remove or convert them",
            )
        if node.external or node.is_virtual:
            raise bad(f"{path}: {name}", "values in other files", "values in this file", "write them into it")

    def visit_link(name: str, link: Any) -> None:
        if isinstance(link, h5py.ExternalLink):
            links.append((name, link.filename))  # h5py does not let an error through here

    links: list[tuple[str, str]] = []
    file.visititems(visit)
    file.visititems_links(visit_link)
    for name, target in links:
        raise bad(f"{path}: {name}", f"a link to {target}", "values in this file", "write them into it")


def _opaque(dtype: np.dtype) -> bool:
    if dtype.names:
        return any(_opaque(dtype[name]) for name in dtype.names)
    return dtype.base.kind == "V" and not dtype.base.names


@contextmanager
def reading(where: object) -> Iterator[None]:
    """Turn what goes wrong while a file is read into one line: it is cut short or damaged."""
    try:
        yield
    except GdeError:
        raise
    except DAMAGE as e:
        raise _told(where, e) from e


def _told(where: object, e: Exception) -> GdeError:
    """The error for what h5py or HDF5 raised: a file held by another process, values packed by a filter that is not
    here, a file cut short, damage; or a layout that only our own code did not expect."""
    words = str(e).strip("'\"") if isinstance(e, OSError | RuntimeError | KeyError | ValueError) else ""
    reason = (words.splitlines() or [type(e).__name__])[0][:160]
    if "unable to lock file" in words:
        held = "Resource temporarily unavailable" in words  # else the file system has no locks at all
        found = (
            "a file that another process has open for writing" if held else f"a file system without locks ({reason})"
        )
        remedy = "close it there (e.g. `adata.file.close()` in a notebook, or end its kernel) and start again"
        return bad(where, found, "one to read", remedy if held else "set HDF5_USE_FILE_LOCKING=FALSE and start again")
    if "required filter" in words or "plugin" in words:  # HDF5 says which one, or where it looked in vain
        remedy = "write it again with AnnData.write_h5ad(..., compression='gzip') where it can be read"
        return bad(where, f"values packed by a filter that is not installed ({reason})", "gzip, lzf or none", remedy)
    if "truncated" in reason:
        return bad(where, f"a truncated file ({reason})", "a whole .h5ad file", "fetch or write it again")
    if isinstance(e, OSError | RuntimeError | ValueError) or words.startswith(("Unable to", "Can't")):
        return bad(where, f"a damaged file ({reason})", "a whole .h5ad file", "fetch or write it again")
    found = f"a layout that is not understood ({type(e).__name__}{': ' + reason if words else ''})"
    remedy = "read it with anndata and write it again with AnnData.write_h5ad; where that fails, too, it is damaged"
    return bad(where, found, "an .h5ad file", remedy)


def not_anndata(f: Any, path: Path) -> GdeError:
    """The error for an HDF5 file without cells at its top: says whose it is, and how it becomes an .h5ad."""
    if "mod" in f and hasattr(f["mod"], "keys"):
        names = list(f["mod"])
        found = f"a MuData file (.h5mu) of the modalities {', '.join(names[:12])}"
        remedy = f"write one out: mudata.read_h5mu('{path.name}')['{names[0]}'].write_h5ad('{names[0]}.h5ad')"
        return bad(path, found if names else "a MuData file without modalities", "an .h5ad file", remedy)
    if "matrix" in f and "obs" not in f:
        found, remedy = "no 'obs': a file of Cell Ranger, or a loom file", "read it as kind: tenx"
        if "row_attrs" in f:
            found, remedy = "a loom file", f"write it with anndata.io.read_loom('{path.name}').write_h5ad(...)"
        return bad(path, found, "an .h5ad file", remedy)
    lost = next((key for key in ("obs", "var") if key not in f), "X")
    return bad(path, f"no '{lost}' in the HDF5 file", "an .h5ad file", "write it with AnnData.write_h5ad")


def unknown(where: str, name: str, known: Sequence[str]) -> GdeError:
    """The error for a name that is not there, with the nearest one that is."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if not known:
        return bad(where, f"no '{name}'", "one of its entries", "there are none in this file")
    listed = ", ".join(known[:12]) + (", …" if len(known) > 12 else "")
    return bad(
        where, f"no '{name}'", f"one of {listed}", f"did you mean '{near[0]}'?" if near else "choose one of these"
    )


def text(values: Any) -> np.ndarray:
    """Strings of an HDF5 array (n,) as objects of type str; other arrays unchanged."""
    values = np.asarray(values)
    if values.ndim != 1:
        raise ValueError(f"an array of shape {values.shape} where a list of values is wanted")
    if values.dtype.kind == "S" or (
        values.dtype.kind == "O" and len(values) and any(isinstance(v, bytes) for v in values)
    ):
        return np.array([v.decode() if isinstance(v, bytes) else v for v in values], dtype=object)
    return values


def index(frame: Any, path: Path) -> np.ndarray:
    """Row names of obs or var: attribute `_index` names the column; before anndata 0.7 a field of a compound array."""
    if hasattr(frame, "dtype"):
        fields = frame.dtype.names
        if not fields:
            raise bad(
                f"{path}: {frame.name}", f"an array of {frame.dtype}", "a table", "write it with AnnData.write_h5ad"
            )
        return _names(
            frame["index" if "index" in fields else "_index" if "_index" in fields else fields[0]], frame, path
        )
    name = frame.attrs.get("_index", "_index")
    name = name.decode() if isinstance(name, bytes) else name
    if name not in frame:
        raise bad(
            f"{path}: {frame.name}", f"no index column '{name}'", "row names", "write the file with AnnData.write_h5ad"
        )
    node = frame[name]
    return _names(node["values"][:] if hasattr(node, "keys") else node[:], frame, path)


def _names(values: Any, frame: Any, path: Path) -> np.ndarray:
    """Row names: strings or whole numbers, nothing else."""
    values = text(values)
    if values.dtype.kind not in "iuOU" or (values.dtype.kind == "O" and not all(isinstance(v, str) for v in values)):
        raise bad(f"{path}: {frame.name}", f"row names of type {values.dtype}", "strings", "write the file again")
    return values


def column(f: Any, frame: str, name: str, path: Path) -> np.ndarray:
    """One column (n,) of the table `frame` ('obs'), categories resolved, missing values None. GdeError when unknown."""
    with reading(path):
        node, where = f[frame], f"{path}: {frame}"
        if hasattr(node, "dtype"):
            if not node.dtype.names:
                raise bad(where, f"an array of {node.dtype}", "a table", "write it with AnnData.write_h5ad")
            if name not in node.dtype.names:
                raise unknown(where, name, [n for n in node.dtype.names if n not in ("index", "_index")])
            values, key = node[name], f"uns/{name}_categories"
            return (
                _categories(values, text(f[key][:]), f"{where}.{name}")
                if key in f
                else _plain(values, f"{where}.{name}")
            )
        known = [k for k in node if k not in ("__categories", node.attrs.get("_index", "_index"))]
        if name not in known:
            raise unknown(where, name, known)
        node, where = node[name], f"{where}.{name}"
        if hasattr(node, "dtype"):
            categories = node.attrs.get("categories")
            return _plain(node[:], where) if categories is None else _categories(node[:], text(f[categories][:]), where)
        if "codes" in node:
            categories = node["categories"]
            categories = categories["values"] if hasattr(categories, "keys") else categories
            return _categories(node["codes"][:], text(categories[:]), where)
        if "values" in node and "mask" in node:
            values, mask = _plain(node["values"][:], where).astype(object), node["mask"][:]
            if mask.dtype.kind != "b" or mask.shape != values.shape:
                raise bad(
                    where, f"a mask {mask.shape} of {mask.dtype}", "true or false for each value", "the file is damaged"
                )
            values[mask] = None
            return values
        raise bad(
            where,
            f"encoding '{node.attrs.get('encoding-type', '?')}'",
            "numbers, strings or categories",
            "convert the column with .astype(str) and write the file again",
        )


def columns(path: Path, frame: str = "obs") -> list[str]:
    """Names of the columns of obs (or var) of an .h5ad file, in file order."""
    with open_hdf5(path) as f, reading(path):
        if frame not in f:
            raise not_anndata(f, path)
        node = f[frame]
        if hasattr(node, "dtype"):
            return [n for n in node.dtype.names if n not in ("index", "_index")]
        hidden = ("__categories", node.attrs.get("_index", "_index"))
        order = node.attrs.get("column-order", list(node))
        return [str(k) for k in text(np.asarray(order)) if k not in hidden]


def _categories(codes: np.ndarray, categories: np.ndarray, where: str) -> np.ndarray:
    if codes.dtype.kind not in "iu" or codes.ndim != 1:
        raise bad(where, f"codes of type {codes.dtype}", "whole numbers", "the file is damaged")
    categories = _plain(categories, where)
    if len(codes) and (codes.max() >= len(categories) or codes.min() < -1):
        raise bad(where, "codes without a category", f"codes below {len(categories)}", "the file is damaged")
    values = np.append(categories.astype(object), None)  # code -1 is a missing value
    return values[codes]


def _plain(values: np.ndarray, where: str) -> np.ndarray:
    values = text(values)
    if values.dtype.kind not in "iufbOU" or (values.dtype.kind == "O" and not all(isinstance(v, str) for v in values)):
        raise bad(
            where,
            f"values of type {values.dtype}",
            "numbers, strings or categories",
            "convert the column with .astype(str) and write the file again",
        )
    return values
