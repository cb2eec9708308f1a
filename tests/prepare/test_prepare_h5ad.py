"""A user's .h5ad: every layout gives the same store, fitted on training cells only."""

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from prepare_data import SPLIT, h5ad_cfg

from gde.config.datasets import DATASETS
from gde.features.pipeline import FeaturePipeline
from gde.prepare import prepare_of
from gde.prepare.h5ad import prepare
from gde.readers import disk
from gde.sets.store.set_store import SetStore


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
    monkeypatch.setattr("gde.readers.disk.NNZ_PIECE", 97)  # several pieces in a small matrix
    monkeypatch.setattr("gde.readers.anndata.CHUNK_VALUES", 1000)
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


def test_registry_names_exist():
    assert all(callable(prepare_of(kind)) for kind in DATASETS)


def test_anndata_in_memory_needs_the_layer(cells):
    from gde.errors import GdeError

    pipeline = FeaturePipeline.fit(lambda: iter([cells.X]), list(cells.var_names), {"values": "counts"})
    with pytest.raises(GdeError, match="did you mean 'counts'"):
        adata = ad.AnnData(cells.X, cells.obs, cells.var, layers={"counts": cells.X})
        list(pipeline.transform_h5ad(adata, layer="count"))
