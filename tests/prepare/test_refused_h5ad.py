"""A user's .h5ad that cannot be right: refused in one line that names the place, and no store is left behind."""

import warnings

import h5py
import numpy as np
import pytest
import scipy.sparse as sp
from prepare_data import SPLIT, h5ad_cfg, make_cells, refused

from gde.prepare.h5ad import prepare
from gde.sets.store.set_store import SetStore


def bad_value(row, column, value):
    def change(adata):
        x = adata.X.toarray()
        x[row, column] = value
        adata.X = sp.csr_matrix(x)

    return change


def names(kind, values):
    return lambda adata: setattr(adata, kind, values(list(getattr(adata, kind))))


def missing_donor(adata):
    adata.obs["donor"] = [None if i == 7 else d for i, d in enumerate(adata.obs["donor"])]


def one_donor(adata):
    adata.obs["donor"] = "D0"


def fractional(adata):
    adata.X = adata.X / 3


REFUSED = {
    "nan": (bad_value(9, 4, np.nan), {}, ["row 9 (cell9), column gene4: found nan", "a finite number"]),
    "inf": (bad_value(9, 4, np.inf), {"values": "scaled"}, ["row 9 (cell9), column gene4: found inf"]),
    "negative": (bad_value(9, 4, -2), {}, ["row 9 (cell9), column gene4: found -2", "values: counts"]),
    "negative-log": (bad_value(9, 4, -2), {"values": "lognorm"}, ["found -2", "values: scaled"]),
    "fraction": (bad_value(9, 4, 1.5), {}, ["found 1.5", "whole numbers", "values: lognorm"]),
    "too-large": (
        bad_value(9, 4, 500),
        {"values": "lognorm"},
        ["column gene4: found 500", "at most 50", "values: counts"],
    ),
    "whole-log": (None, {"values": "lognorm"}, ["found only whole numbers", "values: counts"]),
    "obs-names": (
        names("obs_names", lambda n: [*n[:-1], n[0]]),
        {},
        ["'cell0' more than once (entries 0, 239)", "obs_names"],
    ),
    "var-names": (
        names("var_names", lambda n: [*n[:-1], n[0]]),
        {},
        ["'gene0' more than once", "var_names_make_unique"],
    ),
    "group-column": (None, {"groupby": ["doner"]}, ["no 'doner'", "did you mean 'donor'?"]),
    "label-column": (None, {"labels": ["bach"]}, ["did you mean 'batch'?"]),
    "split-column": (None, {"split": SPLIT | {"by": "kinds"}}, ["did you mean 'kind'?"]),
    "layer": (None, {"layer": "counts"}, ["layers: found no 'counts'", "there are none"]),
    "raw": (None, {"use_raw": True}, ["no .raw", "use_raw: false"]),
    "raw-and-layer": (None, {"use_raw": True, "layer": "a"}, ["one of them"]),
    "missing-group": (missing_donor, {}, ["row 7 (cell7), column donor: found a missing value"]),
    "one-group": (one_donor, {}, ["only one value ('D0')", "split: {by: sample}"]),
    "min-size": (None, {"min_size": 1000}, ["no group of at least 1000 samples (largest: 'D0' with 40)"]),
    "n-pcs": (None, {"n_pcs": 31}, ["dataset.n_pcs: found 31, expected between 1 and 30"]),
    "varying-label": (None, {"labels": ["kind"]}, ["column kind: found 'T' and 'B' within group 'D0'"]),
}


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_wrong_content_is_refused(case, cells, write, out):
    change, options, parts = REFUSED[case]
    if change:
        change(cells)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # anndata warns of duplicated names, which is the point
        path = write(cells)
    with refused(out, *parts):
        prepare(h5ad_cfg(path, **options), out, name="mine", seed=0)


@pytest.mark.parametrize("form", [sp.csr_matrix, sp.csr_matrix.toarray], ids=["csr", "dense"])
def test_the_place_of_a_value_is_right_in_later_chunks(write, out, form, monkeypatch):
    monkeypatch.setattr("gde.readers.anndata.CHUNK_VALUES", 600)
    adata = make_cells()
    bad_value(133, 17, -4)(adata)
    adata.X = form(adata.X)
    with refused(out, "row 133 (cell133), column gene17: found -4"):
        prepare(h5ad_cfg(write(adata)), out, name="mine", seed=0)


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (None, ["no such file", "dataset.path"]),
        (b"", ["an empty file"]),
        (b"<!DOCTYPE html><html>not found</html>", ["an HTML page", "fetch it again"]),
        (b"\x1f\x8b\x08" + bytes(50), ["a gzip file", "gunzip"]),
        (b"hello world, this is text", ["not an HDF5 file"]),
    ],
    ids=["missing", "empty", "html", "gzip", "text"],
)
def test_other_files_are_refused(tmp_path, out, content, parts):
    path = tmp_path / "cells.h5ad"
    if content is not None:
        path.write_bytes(content)
    with refused(out, str(path), *parts):
        prepare(h5ad_cfg(path), out, name="mine", seed=0)


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9, 0.99])
def test_truncated_files_are_refused(cells, write, out, keep):
    path = write(cells)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    with refused(out, str(path), "truncated", "fetch or write it again"):
        prepare(h5ad_cfg(path), out, name="mine", seed=0)


def edit_file(path, edit):
    with h5py.File(path, "a") as f:
        edit(f)


def cut_values(f):
    values = f["X/data"][:-5]
    del f["X/data"]
    f["X/data"] = values


def wild_columns(f):
    f["X/indices"][3] = 10_000


def strings(f):
    del f["X"]
    f["X"] = np.full((240, 30), b"a")


def opaque_column(f):
    del f["obs/donor"]
    f["obs/donor"] = np.zeros(240, dtype="V4")


def short_column(f):
    codes = f["obs/donor/codes"][:-1]
    del f["obs/donor/codes"]
    f["obs/donor/codes"] = codes


def fractional_columns(f):
    indices = f["X/indices"][:] + 0.5
    del f["X/indices"]
    f["X/indices"] = indices


def beyond_32_bits(f):
    indices = f["X/indices"][:].astype("i8")
    indices[3] += 2**32
    del f["X/indices"]
    f["X/indices"] = indices


def values_of_no_file(f):
    shape, dtype = f["X/data"].shape, f["X/data"].dtype
    layout = h5py.VirtualLayout(shape, dtype)
    layout[:] = h5py.VirtualSource("nowhere.h5", "x", shape)
    del f["X/data"]
    f.create_virtual_dataset("X/data", layout)


def linked(f):
    del f["obs"]
    f["obs"] = h5py.ExternalLink("other.h5", "/obs")


def wrong_shape(f):
    del f["X"]
    f["X"] = np.zeros((239, 30), np.float32)


@pytest.mark.parametrize(
    ("edit", "parts"),
    [
        (lambda f: f.pop("obs"), ["no 'obs'", "an .h5ad file"]),
        (lambda f: f.pop("X"), ["no X"]),
        (cut_values, ["pointers that do not fit"]),
        (wild_columns, ["column numbers outside the matrix"]),
        (strings, ["values of type |S1"]),
        (opaque_column, ["obs/donor", "values of type |V4, which is opaque"]),
        (wrong_shape, ["shape (239, 30)", "(240, 30)"]),
        (short_column, ["obs.donor", "values of shape (239,)", "240, one for each cell"]),
        (fractional_columns, ["indices of type float64", "whole numbers"]),
        (beyond_32_bits, ["column numbers outside the matrix"]),
        (values_of_no_file, ["X/data", "values in other files"]),
        (linked, ["a link to other.h5"]),
    ],
    ids=[
        "no-obs",
        "no-x",
        "cut-values",
        "wild-columns",
        "strings",
        "opaque-column",
        "wrong-shape",
        "short-column",
        "fractional-columns",
        "beyond-32-bits",
        "values-of-no-file",
        "linked",
    ],
)
def test_damaged_insides_are_refused(cells, write, out, edit, parts):
    path = write(cells)
    edit_file(path, edit)
    with refused(out, *parts):
        prepare(h5ad_cfg(path), out, name="mine", seed=0)


def test_a_flipped_byte_in_compressed_values_is_refused(cells, tmp_path, out):
    path = tmp_path / "cells.h5ad"
    cells.write_h5ad(path, compression="gzip")
    with h5py.File(path) as f:
        chunk = f["X/data"].id.get_chunk_info(0)
    content = bytearray(path.read_bytes())
    middle = chunk.byte_offset + chunk.size // 2
    content[middle : middle + 4] = bytes(255 - b for b in content[middle : middle + 4])
    path.write_bytes(content)
    with refused(out, str(path), "a damaged file", "fetch or write it again"):
        prepare(h5ad_cfg(path), out, name="mine", seed=0)


def test_no_cells_are_refused(write, out):
    with refused(out, "0 cells"):
        prepare(h5ad_cfg(write(make_cells()[:0].copy())), out, name="mine", seed=0)


def test_a_failed_prepare_keeps_the_earlier_store(cells, write, out):
    prepare(h5ad_cfg(write(cells)), out, name="mine", seed=0)
    before = SetStore.open(out).digest
    bad_value(9, 4, np.nan)(cells)
    with pytest.raises(ValueError, match="found nan"):
        prepare(h5ad_cfg(write(cells, "bad.h5ad")), out, name="mine", seed=0)
    assert SetStore.open(out).digest == before and [p.name for p in out.parent.iterdir()] == ["mine"]
