"""Reading names and columns of anndata's HDF5 layouts without loading the rest; faults become one line each."""

import difflib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from gde.errors import GdeError, bad


def check_exists(path: Path) -> None:
    """GdeError when `path` is missing, a directory or empty."""
    if not path.exists():
        raise bad(
            path, "no such file", "a data file", "check dataset.path (relative paths start at the working directory)"
        )
    if not path.is_file():
        raise bad(path, "a directory", "a data file", "check dataset.path")
    if path.stat().st_size == 0:
        raise bad(path, "an empty file", "data", "fetch or write it again")


def looks_like_html(path: Path) -> bool:
    """Whether the file starts as a web page does."""
    with path.open("rb") as f:
        head = f.read(512).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return head.startswith((b"<!doctype html", b"<html", b"<head", b"<?xml", b"<body"))


@contextmanager
def open_hdf5(path: Path) -> Iterator[Any]:
    """An open h5py.File; GdeError names what else the file is."""
    import h5py

    check_exists(path)
    with path.open("rb") as f:
        head = f.read(8)
    if head != b"\x89HDF\r\n\x1a\n" and not h5py.is_hdf5(path):
        if head[:2] == b"\x1f\x8b":
            raise bad(path, "a gzip file", "an .h5ad file (HDF5)", "unpack it with gunzip")
        found = "an HTML page" if looks_like_html(path) else "not an HDF5 file"
        raise bad(path, found, "an .h5ad file (HDF5)", "fetch it again, or write it with AnnData.write_h5ad")
    with reading(path):
        # The default cache of 1 MB decompresses the same HDF5 chunk again for every block of rows.
        file = h5py.File(path, "r", rdcc_nbytes=64 << 20)
    with file:
        yield file


@contextmanager
def reading(where: object) -> Iterator[None]:
    """Turn HDF5's errors while reading into one line: the file is cut short or damaged."""
    try:
        yield
    except GdeError:
        raise
    except (OSError, RuntimeError, KeyError) as e:
        reason = str(e).strip("'\"").splitlines()[0][:160]
        found = f"a truncated file ({reason})" if "truncated" in reason else f"a damaged file ({reason})"
        raise bad(where, found, "a whole .h5ad file", "fetch or write it again") from e


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
    """Strings of an HDF5 array as objects of type str; other arrays unchanged."""
    values = np.asarray(values)
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
        return text(frame["index" if "index" in fields else "_index" if "_index" in fields else fields[0]])
    name = frame.attrs.get("_index", "_index")
    name = name.decode() if isinstance(name, bytes) else name
    if name not in frame:
        raise bad(
            f"{path}: {frame.name}", f"no index column '{name}'", "row names", "write the file with AnnData.write_h5ad"
        )
    node = frame[name]
    return text(node["values"][:] if hasattr(node, "keys") else node[:])


def column(f: Any, frame: str, name: str, path: Path) -> np.ndarray:
    """One column (n,) of the table `frame` ('obs'), categories resolved, missing values None. GdeError when unknown."""
    with reading(path):
        node, where = f[frame], f"{path}: {frame}"
        if hasattr(node, "dtype"):
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
            values = text(node["values"][:]).astype(object)
            values[node["mask"][:]] = None
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
            raise bad(path, f"no '{frame}' in the HDF5 file", "an .h5ad file", "write it with AnnData.write_h5ad")
        node = f[frame]
        if hasattr(node, "dtype"):
            return [n for n in node.dtype.names if n not in ("index", "_index")]
        hidden = ("__categories", node.attrs.get("_index", "_index"))
        order = node.attrs.get("column-order", list(node))
        return [str(k) for k in text(np.asarray(order)) if k not in hidden]


def _categories(codes: np.ndarray, categories: np.ndarray, where: str) -> np.ndarray:
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
