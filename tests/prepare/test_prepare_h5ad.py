"""A user's .h5ad: every layout gives the same store, fitted on training cells only; faults are refused in one line."""

import warnings

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from prepare_data import SPLIT, h5ad_cfg, make_cells, refused

from gde.features import FeaturePipeline
from gde.prepare import REGISTRY, disk
from gde.prepare.h5ad import prepare
from gde.sets.store import SetStore


def store_of(path, out, **changes) -> SetStore:
    prepare(h5ad_cfg(path, **changes), out, name="mine", seed=0)
    return SetStore.open(out)


def rows_of(store) -> dict:
    """Sorted samples of each (group, split): the store without the order of rows inside a group."""
    out = {}
    for g, row in store.groups.iterrows():
        x = store.read(g)
        out[row["group"], row["split"]] = x[np.lexsort(np.round(x.T, 3))]
    return out


def assert_same(a, b, atol=1e-4):
    a, b = rows_of(a), rows_of(b)
    assert a.keys() == b.keys()
    for key in a:
        np.testing.assert_allclose(np.sort(a[key], 0), np.sort(b[key], 0), atol=atol)


def test_every_cell_arrives_transformed_in_its_group(cells, write, out):
    store = store_of(write(cells), out, labels=["batch"], n_hvg=20, n_pcs=4)
    pipeline = FeaturePipeline.load(out / "features")
    donors = cells.obs["donor"].to_numpy()
    assert len(pipeline.names) == 20 and store.meta["dim"] == store.x.shape[1] == 4 and len(store.x) == len(cells)
    for g, row in store.groups.iterrows():
        expected = pipeline.transform(cells.X[donors == row["donor"]], list(cells.var_names))
        np.testing.assert_allclose(np.sort(store.read(g), 0), np.sort(expected, 0), atol=1e-5)
        assert row["batch"] == int(row["donor"][1]) // 2
    train = np.concatenate([store.read(g) for g in store.select("train")]).astype(float)
    np.testing.assert_allclose(store.meta["mean"], train.mean(0), atol=1e-5)
    np.testing.assert_allclose(store.meta["scale"], train.std(0), rtol=1e-5)
    assert store.meta["data"] == "user" and store.meta["feature_names"] == ["PC1", "PC2", "PC3", "PC4"]
    assert sorted(store.groups["split"]) == ["test", "train", "train", "train", "train", "validation"]


def test_the_pipeline_is_fitted_on_training_cells_only(cells, write, tmp_path):
    first = store_of(write(cells), tmp_path / "a", n_hvg=15)
    test = set(first.groups.loc[first.groups["split"] != "train", "donor"])
    changed = cells.copy()
    rows = changed.obs["donor"].isin(test).to_numpy()
    changed.X = sp.csr_matrix(np.where(rows[:, None], changed.X.toarray()[:, ::-1] * 3, changed.X.toarray()))
    second = store_of(write(changed, "changed.h5ad"), tmp_path / "b", n_hvg=15)
    for name in ("features.json", "features.safetensors"):
        assert (tmp_path / "a/features" / name).read_bytes() == (tmp_path / "b/features" / name).read_bytes()
    assert first.meta["mean"] == second.meta["mean"]
    for g in first.select("train"):
        assert (first.read(g) == second.read(g)).all()
    assert all((first.read(g) != second.read(g)).any() for g in first.select("test"))


def test_the_same_input_gives_the_same_bytes(cells, write, tmp_path):
    path = write(cells)
    assert store_of(path, tmp_path / "a").digest == store_of(path, tmp_path / "b").digest


@pytest.mark.parametrize("form", [sp.csc_matrix, sp.csr_matrix.toarray], ids=["csc", "dense"])
@pytest.mark.parametrize("where", ["X", "layer", "raw"])
def test_storage_makes_no_difference(cells, write, tmp_path, form, where, monkeypatch):
    reference = store_of(write(cells), tmp_path / "a")
    monkeypatch.setattr("gde.prepare.disk.NNZ_PIECE", 97)  # several pieces in a small matrix
    monkeypatch.setattr("gde.prepare.cells.CHUNK_VALUES", 1000)
    other = cells.copy()
    other.X = form(cells.X)
    if where == "raw":
        other.raw = other.copy()
    if where == "layer":
        other.layers["counts"] = other.X.copy()
    if where != "X":
        other.X = np.full(other.shape, -1.0, np.float32)
    options = {"layer": "counts" if where == "layer" else None, "use_raw": where == "raw"}
    assert_same(store_of(write(other, "o.h5ad"), tmp_path / "b", **options), reference)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b", "cells.h5ad", "o.h5ad"]


def test_csc_is_turned_round_exactly(tmp_path, monkeypatch):
    monkeypatch.setattr(disk, "NNZ_PIECE", 53)
    x = sp.random(41, 17, 0.4, format="csc", random_state=0, dtype=np.float32)
    rows = disk.csc_to_csr(x.data, x.indices, x.indptr.astype(np.int64), x.shape, tmp_path, "x")
    for start, stop in ((0, 41), (0, 1), (5, 30)):
        np.testing.assert_array_equal(rows[start:stop].toarray(), x[start:stop].toarray())


def test_old_layouts_read_alike(cells, write, tmp_path):
    """anndata 0.7 keeps categories aside with object references; before that, obs was one compound array."""
    path = write(cells)
    reference = store_of(path, tmp_path / "a")
    dense, donor = cells.X.toarray(), cells.obs["donor"].cat
    for layout in ("0.7", "0.6"):
        old = tmp_path / f"old{layout}.h5ad"
        with h5py.File(old, "w") as f:
            names = np.array(cells.obs_names, dtype="S8")
            if layout == "0.7":
                f["X"] = dense
                obs = f.create_group("obs")
                obs["index"], obs.attrs["_index"] = names, "index"
                obs["donor"] = donor.codes.to_numpy()
                obs["__categories/donor"] = np.array(donor.categories, dtype="S8")
                obs["donor"].attrs["categories"] = obs["__categories/donor"].ref
                f["var/gene"] = np.array(cells.var_names, dtype="S8")
                f["var"].attrs["_index"] = "gene"
            else:
                x = f.create_group("X")
                x.attrs["h5sparse_format"], x.attrs["h5sparse_shape"] = b"csr", cells.shape
                x["data"], x["indices"], x["indptr"] = cells.X.data, cells.X.indices, cells.X.indptr
                f["obs"] = np.array(
                    list(zip(names, donor.codes, strict=True)), dtype=[("index", "S8"), ("donor", "i1")]
                )
                f["uns/donor_categories"] = np.array(donor.categories, dtype="S8")
                f["var"] = np.array([(n,) for n in cells.var_names], dtype=[("index", "S8")])
        assert_same(store_of(old, tmp_path / layout), reference)


def test_column_types_and_empty_categories(cells, write, out):
    cells.obs["flag"] = pd.array([d == "D0" for d in cells.obs["donor"]], dtype="boolean")
    cells.obs["donor"] = cells.obs["donor"].cat.add_categories(["nobody"])
    cells.obs["text"] = [f"é{d}" for d in cells.obs["donor"]]
    store = store_of(write(cells), out, groupby=["text", "batch"], labels=["flag", "donor"])
    assert set(store.groups["group"]) == {f"éD{i}|{i // 2}" for i in range(6)}
    assert store.groups.set_index("donor")["flag"].to_dict() == {f"D{i}": i == 0 for i in range(6)}


def test_splits_by_sample_and_by_column(cells, write, tmp_path):
    path = write(cells)
    by_sample = store_of(path, tmp_path / "s", groupby=["kind"], split=SPLIT | {"by": "sample"})
    assert [*zip(by_sample.groups["group"], by_sample.groups["split"], strict=True)] == [
        (g, s) for g in "BT" for s in ("train", "validation", "test")
    ]
    by_donor = store_of(path, tmp_path / "d", groupby=["kind"], split=SPLIT | {"by": "donor"})
    assert set(by_donor.groups["group"]) == {"T", "B"} and len(by_donor.groups) == 6
    sizes = pd.Series(by_donor.sizes).groupby(by_donor.groups["split"]).sum()
    assert sizes.to_dict() == {"train": 160, "validation": 40, "test": 40}


def test_small_groups_are_counted_and_named(cells, write, out):
    cells.obs["donor"] = ["rare" if i < 2 else d for i, d in enumerate(cells.obs["donor"])]
    store = store_of(write(cells), out)
    assert store.meta["dropped"] == {"rare": 2} and store.meta["dropped_samples"] == 2
    assert len(store.x) == len(cells) - 2


def test_log_normalised_and_scaled_values_are_taken_as_they_are(cells, write, tmp_path):
    log = cells.copy()
    total = np.asarray(cells.X.sum(1))
    log.X = sp.csr_matrix(np.log1p(cells.X.toarray() / total * 1e4), dtype=np.float32)
    assert_same(
        store_of(write(log, "l.h5ad"), tmp_path / "l", values="lognorm"), store_of(write(cells), tmp_path / "c"), 1e-3
    )
    plain = store_of(write(log, "l.h5ad"), tmp_path / "p", values="scaled", scale=False, n_pcs=None)
    np.testing.assert_allclose(np.sort(plain.x.ravel()), np.sort(log.X.toarray().ravel()), rtol=1e-6)
    assert plain.meta["feature_names"] == list(cells.var_names)


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
    monkeypatch.setattr("gde.prepare.cells.CHUNK_VALUES", 600)
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
    before = store_of(write(cells), out).digest
    bad_value(9, 4, np.nan)(cells)
    with pytest.raises(ValueError, match="found nan"):
        prepare(h5ad_cfg(write(cells, "bad.h5ad")), out, name="mine", seed=0)
    assert SetStore.open(out).digest == before and [p.name for p in out.parent.iterdir()] == ["mine"]


def test_registry_names_exist():
    from importlib import import_module

    for target in REGISTRY.values():
        module, name = target.split(":")
        assert callable(getattr(import_module(module), name))


def test_anndata_in_memory_needs_the_layer(cells):
    from gde.errors import GdeError

    pipeline = FeaturePipeline.fit(lambda: iter([cells.X]), list(cells.var_names), {"values": "counts"})
    with pytest.raises(GdeError, match="did you mean 'counts'"):
        adata = ad.AnnData(cells.X, cells.obs, cells.var, layers={"counts": cells.X})
        list(pipeline.transform_h5ad(adata, layer="count"))
