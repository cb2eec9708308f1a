"""Streaming writer of .h5ad files: the layout of anndata 0.7 with dense contiguous X, or today's with CSR."""

from collections.abc import Iterable
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import scipy.sparse as sp

TEXT = h5py.string_dtype()


def write_h5ad(path: Path, chunks: Iterable[np.ndarray], obs: pd.DataFrame, var: pd.DataFrame, *, legacy: bool) -> None:
    """Write rows (m, genes), chunk by chunk; the indices of obs and var are named after their index."""
    with h5py.File(path, "w") as f:
        if legacy:
            _legacy_frame(f, "obs", obs)
            _legacy_frame(f, "var", var)
            x = f.create_dataset("X", (len(obs), len(var)), np.float32)
            start = 0
            for rows in chunks:
                x[start : start + len(rows)] = rows
                start += len(rows)
            return
        f.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        _frame(f, "obs", obs)
        _frame(f, "var", var)
        x = f.create_group("X")
        x.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": (len(obs), len(var))})
        data, indices = (
            x.create_dataset(name, (0,), dtype, maxshape=(None,), chunks=(1 << 16,))
            for name, dtype in (("data", np.float32), ("indices", np.int32))
        )
        pointers = [np.zeros(1, np.int64)]
        for rows in map(sp.csr_matrix, chunks):
            stored = len(data)
            for target, values in ((data, rows.data), (indices, rows.indices)):
                target.resize((stored + rows.nnz,))
                target[stored:] = values
            pointers.append(stored + rows.indptr[1:].astype(np.int64))
        x.create_dataset("indptr", data=np.concatenate(pointers))


def _head(f: h5py.File, name: str, table: pd.DataFrame, version: str) -> h5py.Group:
    group, index = f.create_group(name), table.index.name or "_index"
    order = np.array(list(table.columns), dtype=object)
    group.attrs.update({"_index": index, "encoding-type": "dataframe", "encoding-version": version})
    group.attrs.create("column-order", order, dtype=TEXT)
    node = group.create_dataset(index, data=table.index.to_numpy(object), dtype=TEXT)
    if version == "0.2.0":
        node.attrs.update({"encoding-type": "string-array", "encoding-version": "0.2.0"})
    return group


def _legacy_frame(f: h5py.File, name: str, table: pd.DataFrame) -> None:
    group = _head(f, name, table, "0.1.0")
    categories = group.create_group("__categories")
    for column in table:
        values = table[column]
        if values.dtype != object:
            group.create_dataset(column, data=values.to_numpy())
            continue
        code, names = pd.factorize(values, sort=True)
        node = categories.create_dataset(column, data=np.asarray(names, object), dtype=TEXT)
        node.attrs["ordered"] = False
        group.create_dataset(column, data=code.astype(np.int16)).attrs["categories"] = node.ref


def _frame(f: h5py.File, name: str, table: pd.DataFrame) -> None:
    group = _head(f, name, table, "0.2.0")
    for column in table:
        values = table[column]
        if values.dtype != object:
            node = group.create_dataset(column, data=values.to_numpy())
            node.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
            continue
        code, names = pd.factorize(values, sort=True)
        node = group.create_group(column)
        node.attrs.update({"encoding-type": "categorical", "encoding-version": "0.2.0", "ordered": False})
        for part, data, kind in (("codes", code.astype(np.int32), "array"), ("categories", names, "string-array")):
            text = {"dtype": TEXT} if part == "categories" else {}
            made = node.create_dataset(part, data=np.asarray(data, object) if text else data, **text)
            made.attrs.update({"encoding-type": kind, "encoding-version": "0.2.0"})
