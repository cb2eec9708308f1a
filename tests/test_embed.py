"""Embeddings of whole groups: exact for any memory bound, with honest standard errors; samples of embeddings."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import tiny
import torch

from gde.embed import (
    JACKKNIFE_BELOW,
    PIECE,
    embed_data,
    embed_store,
    embed_to_h5ad,
    encode_pieces,
    standard_error,
    standard_errors,
)
from gde.errors import GdeError
from gde.export.h5ad import to_anndata, write_anndata
from gde.model import GDE
from gde.readers.sealed_h5ad import read_anndata
from gde.sample import sample_anndata, sample_test_sets

SIZES = [1, 2, 3, 7, 16, 17, 100, 511, 512, 700, 2000]
POINT_KINDS = tiny.VECTOR_ENCODERS


def blank_model(dim=2, kind="resnet", **options) -> GDE:
    """A model with random weights, without preprocessing."""
    torch.manual_seed(0)
    encoder = {"kind": kind} if kind in ("mean", "pca_mean") else {"kind": kind, "hidden": 16}
    config = tiny.experiment({"encoder": encoder | options})
    return tiny.perturb(GDE(config, mean=torch.ones(dim), scale=torch.full((dim,), 2.0)))


@pytest.fixture(scope="module")
def sizes_store(tmp_path_factory):
    """Groups of many sizes with skewed samples."""
    rng = np.random.default_rng(0)
    sets = [rng.gamma(1 + i % 3, 2.0, (n, 2)).astype(np.float32) for i, n in enumerate(SIZES)]
    return tiny.store_of(sets, tmp_path_factory.mktemp("sizes") / "sets")


@pytest.mark.parametrize("kind", POINT_KINDS)
def test_whole_groups_are_embedded_as_the_encoder_does(sizes_store, kind):
    model = blank_model(kind=kind)
    z, se = model.embed_store(sizes_store, se=False)
    assert z.shape == se.shape == (len(SIZES), 4)
    assert np.isnan(se).all()
    for g in range(len(SIZES)):
        with torch.no_grad():
            expected = model.encode(torch.from_numpy(sizes_store.read(g).copy())[None])
        np.testing.assert_allclose(z[g], expected[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", POINT_KINDS)
@pytest.mark.parametrize("rows", [40, 600, 1999])
def test_the_memory_bound_does_not_change_the_result(sizes_store, kind, rows):
    """Whole, padded together, or streamed chunk by chunk; standard errors too."""
    model = blank_model(kind=kind)
    reference, errors = embed_store(model, sizes_store, rows_at_once=10**6)
    z, se = embed_store(model, sizes_store, rows_at_once=rows)
    np.testing.assert_allclose(z, reference, rtol=1e-5, atol=1e-5)
    # sub-sets and folds differ by their rounding only, which the jackknife multiplies by folds - 1
    np.testing.assert_allclose(se, errors, rtol=1e-3, atol=3e-5)


def test_some_groups_in_any_order(sizes_store):
    model = blank_model()
    z, se = embed_store(model, sizes_store)
    some = np.array([9, 0, 4, 10])
    z_some, se_some = embed_store(model, sizes_store, some)
    np.testing.assert_allclose(z_some, z[some], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(se_some, se[some], rtol=1e-3, atol=3e-5)


def test_one_sample_has_no_standard_error(sizes_store):
    _, se = embed_store(blank_model(), sizes_store)
    assert np.isnan(se[0]).all()
    assert np.isfinite(se[1:]).all()
    assert (se[1:] > 0).all()


@pytest.mark.parametrize("n", [64, JACKKNIFE_BELOW * 2], ids=["jackknife", "sub-sets"])
def test_standard_errors_are_the_spread_over_fresh_draws(tmp_path, n):
    """160 sets of one distribution: the sd of their embeddings is known to 6 %; the errors must say the same."""
    rng = np.random.default_rng(1)
    store = tiny.store_of(list(rng.normal([1.0, -2.0], [1.0, 3.0], (160, n, 2)).astype(np.float32)), tmp_path / "sets")
    z, se = embed_store(blank_model(), store)
    spread = z.std(0, ddof=1)
    np.testing.assert_allclose(np.sqrt(np.square(se).mean(0)), spread, rtol=0.3)


@pytest.mark.parametrize("n", [2, 5, 100, JACKKNIFE_BELOW, JACKKNIFE_BELOW + 3])
def test_standard_errors_of_many_sets_are_those_of_each(n):
    model, x = blank_model(), torch.randn(7, n, 2, generator=torch.Generator().manual_seed(n))
    with torch.no_grad():
        each = np.stack([standard_error(model, one) for one in x.numpy()])
    np.testing.assert_allclose(standard_errors(model, x), each, rtol=1e-3, atol=1e-5 * each.max())


@pytest.mark.parametrize("n", [3, PIECE // 2, PIECE + 1])
def test_sets_in_pieces_are_embedded_as_together(n):
    model, x = blank_model(), torch.randn(5, n, 2, generator=torch.Generator().manual_seed(n))
    with torch.no_grad():
        torch.testing.assert_close(encode_pieces(model, x), model.encode(x))


def test_standard_errors_of_the_mean_are_those_of_statistics(tmp_path):
    """A linear encoder of the mean: the textbook standard error, by the jackknife of single samples exactly."""
    x = np.random.default_rng(0).normal(size=(16, 2)).astype(np.float32)
    model = blank_model(kind="mean")
    _, se = embed_store(model, tiny.store_of([x], tmp_path / "sets"))
    with torch.no_grad():
        each = model.encode(torch.from_numpy(x)[:, None])
    np.testing.assert_allclose(se[0], each.std(0) / 4, rtol=1e-3)


# AnnData in, AnnData out


@pytest.fixture(scope="module")
def cells_model(cells_store, cells_h5ad) -> GDE:
    config = tiny.cells_experiment(cells_h5ad) | {"run": "cells-00000000"}
    return tiny.model_for(cells_store, config)


@pytest.fixture
def adata():
    return tiny.cells()


@pytest.mark.parametrize("form", ["path", "memory", "dense", "csc"])
def test_raw_cells_are_embedded_as_the_store_made_of_them(cells_model, cells_store, cells_h5ad, adata, form):
    data = cells_h5ad if form == "path" else adata
    if form == "dense":
        data.X = data.X.toarray()
    if form == "csc":
        data.X = sp.csc_matrix(data.X)
    out = embed_data(cells_model, data, ["donor", "cell_type"])
    z, _ = embed_store(cells_model, cells_store)
    assert set(out.obs.columns) == {"donor", "cell_type", "group", "n_samples"}
    position = cells_store.groups.reset_index().set_index("group")["index"][out.obs_names].to_numpy()
    assert len(out) == len(cells_store)
    np.testing.assert_allclose(out.X, z[position], rtol=1e-4, atol=1e-5)
    assert (out.obs["n_samples"].to_numpy() == cells_store.sizes[position]).all()
    assert out.layers["se"].shape == out.X.shape
    assert np.isfinite(out.layers["se"]).all()
    assert out.uns["gde"]["run"] == "cells-00000000"


def test_the_order_of_cells_and_genes_does_not_matter(cells_model, adata):
    rng = np.random.default_rng(0)
    shuffled = adata[rng.permutation(adata.n_obs), rng.permutation(adata.n_vars)].copy()
    a, b = (embed_data(cells_model, d, "donor") for d in (adata, shuffled))
    assert list(a.obs_names) == list(b.obs_names)
    np.testing.assert_allclose(a.X, b.X, rtol=1e-4, atol=1e-5)


def test_without_groupby_all_cells_are_one_set(cells_model, adata):
    for groupby in (None, []):
        out = cells_model.embed(adata, groupby)
        assert out.shape == (1, 4)
        assert out.obs["n_samples"].tolist() == [adata.n_obs]


def test_groupby_of_one_column_as_text_or_list(cells_model, adata):
    a, b = embed_data(cells_model, adata, "donor"), embed_data(cells_model, adata, ["donor"])
    assert (a.X == b.X).all()
    assert list(a.obs_names) == sorted(adata.obs["donor"].unique())


def test_layers_and_raw(cells_model, adata):
    expected = embed_data(cells_model, adata, "donor").X
    moved = adata.copy()
    moved.layers["counts"], moved.raw = adata.X, adata
    moved.X = adata.X * 0
    assert (expected == embed_data(cells_model, moved, "donor", layer="counts").X).all()
    assert (expected == embed_data(cells_model, moved, "donor", use_raw=True).X).all()
    assert (expected == cells_model.embed(moved, "donor", layer="counts").X).all()
    assert (expected == cells_model.embed(moved, "donor", use_raw=True).X).all()
    with pytest.raises(TypeError, match="layer"):
        cells_model.embed(torch.zeros(1, 3, 5), layer="counts")
    with pytest.raises(TypeError, match="weight"):
        cells_model.embed(moved, "donor", weight="w")


@pytest.mark.parametrize("own", [{"layer": "counts"}, {"use_raw": True}], ids=["layer", "raw"])
def test_what_training_read_is_read_where_it_is_there(cells_model, adata, own, monkeypatch, caplog):
    expected = embed_data(cells_model, adata, "donor").X
    monkeypatch.setitem(cells_model.config, "dataset", cells_model.config["dataset"] | own)
    moved = adata.copy()
    moved.layers["counts"], moved.raw, moved.X = adata.X, adata, adata.X * 2
    assert (expected == embed_data(cells_model, moved, "donor").X).all()
    twice = embed_data(cells_model, moved, "donor", layer="X").X  # counts, twice as deep: the same shares
    np.testing.assert_allclose(twice, expected, rtol=1e-4, atol=1e-5)
    assert "X is read" not in caplog.text
    assert (expected == embed_data(cells_model, adata, "donor").X).all()
    assert "X is read" in caplog.text


@pytest.mark.parametrize(
    ("change", "groupby", "parts"),
    [
        (lambda a: None, "doner", ["doner", "donor"]),
        (lambda a: a.obs.__setitem__("donor", [None] + ["x"] * (a.n_obs - 1)), "donor", ["column donor", "missing"]),
        (lambda a: a.obs.__setitem__("size", "x"), ["donor", "size"], ["'size'", "rename the column"]),
        (lambda a: a.obs.__setitem__("split", "x"), "split", ["'split'", "rename the column"]),
        (lambda a: setattr(a, "X", a.X * -1), "donor", ["gene", "counts"]),
        (lambda a: setattr(a, "X", a.X + 0.5 * (a.X > 0)), "donor", ["counts"]),
    ],
    ids=["typo", "missing value", "reserved", "reserved alone", "negative", "not whole"],
)
def test_cells_that_do_not_fit_are_refused(cells_model, adata, change, groupby, parts):
    change(adata)
    with pytest.raises(GdeError) as e:
        embed_data(cells_model, adata, groupby)
    assert "\n" not in str(e.value)
    for part in parts:
        assert part in str(e.value)


def test_missing_genes_are_listed(cells_model, adata):
    with pytest.raises(GdeError, match=r"2 of 30 missing \(gene3, gene7\)"):
        embed_data(cells_model, adata[:, [j for j in range(30) if j not in (3, 7)]].copy(), "donor")


def test_more_genes_are_allowed_and_left_out_of_totals(cells_model, adata):
    other = ad.AnnData(sp.csr_matrix(np.full((adata.n_obs, 3), 70.0, np.float32)), adata.obs)
    other.var_names = ["other1", "other2", "other3"]
    more = ad.concat([other, adata], axis=1, merge="same")
    a, b = (embed_data(cells_model, d, "donor").X for d in (adata, more))
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_a_model_without_preprocessing_wants_tensors(adata):
    with pytest.raises(GdeError, match=r"no preprocessing.*tensor"):
        embed_data(blank_model(), adata, "donor")


# samples


def test_samples_have_the_sets_columns_and_the_units_of_the_data(cells_model, adata):
    z = embed_data(cells_model, adata, ["donor", "cell_type"])[:3].copy()
    out = sample_anndata(cells_model, z, 5, seed=0)
    assert out.shape == (15, 30)
    assert list(out.var_names) == list(adata.var_names)
    assert out.obs["set"].tolist() == np.repeat(z.obs_names, 5).tolist()
    assert out.obs["cell_type"].tolist() == np.repeat(z.obs["cell_type"], 5).tolist()
    assert out.obs_names.is_unique
    features = out.obsm["X_features"]
    assert features.shape == (15, 5)
    np.testing.assert_allclose(out.X, cells_model.features.expression(features), rtol=1e-5, atol=1e-5)


def test_samples_without_preprocessing_are_the_features():
    model = blank_model()
    z = ad.AnnData(np.zeros((2, 4), np.float32))
    out = sample_anndata(model, z, np.array([3, 4]), seed=0)
    assert out.shape == (7, 2)
    assert (out.obsm["X_features"] == out.X).all()
    assert out.obs["set"].tolist() == ["0"] * 3 + ["1"] * 4


def test_samples_follow_the_seed(cells_model, adata):
    z = embed_data(cells_model, adata, "donor")
    a, b, c = (sample_anndata(cells_model, z, 4, seed=s).X for s in (0, 0, 1))
    assert (a == b).all()
    assert not np.allclose(a, c)


def test_embeddings_that_were_changed_are_told(cells_model, adata, caplog):
    z = embed_data(cells_model, adata, "donor")
    sample_anndata(cells_model, z, 2, seed=0)
    assert caplog.text == ""
    z.X = z.X * 2
    sample_anndata(cells_model, z, 2, seed=0)
    assert "X is not obsm['X_gde'] any more" in caplog.text


@pytest.mark.parametrize(
    ("x", "part"),
    [(np.zeros((2, 3), np.float32), "3 columns"), (np.full((2, 4), np.nan, np.float32), "NaN")],
    ids=["width", "NaN"],
)
def test_embeddings_of_another_model_are_refused(x, part):
    with pytest.raises(GdeError, match=part):
        sample_anndata(blank_model(), ad.AnnData(x), 2, seed=0)


# files


def test_files_of_embeddings_and_samples(cells_model, cells_store, tmp_path):
    cells_model.save(tmp_path / "model")
    embed_to_h5ad(tmp_path / "model", cells_store.path, tmp_path / "embeddings.h5ad", device=tiny.CPU)
    z = ad.read_h5ad(tmp_path / "embeddings.h5ad")
    expected, se = embed_store(cells_model, cells_store)
    assert (expected == z.X).all()
    assert (z.layers["se"] == se).all()
    assert {"group", "split", "donor", "cell_type", "n_samples"} <= set(z.obs)
    about = {"run": "cells-00000000", "store": cells_store.digest, "data": "user"}
    assert {key: z.uns["gde"][key] for key in about} == about
    sample_test_sets(tmp_path / "model", tmp_path / "embeddings.h5ad", tmp_path / "x.h5ad", device=tiny.CPU, at_most=10)
    x = ad.read_h5ad(tmp_path / "x.h5ad")
    test = z.obs[z.obs["split"] == "test"]
    assert x.obs["set"].value_counts().to_dict() == test["n_samples"].clip(upper=10).to_dict()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["embeddings.h5ad", "model", "x.h5ad"]


def test_names_of_sets_are_unique(sizes_store):
    groups = pd.DataFrame({"group": ["a", "a", "b"], "split": ["train", "test", "test"], "start": [0, 3, 5]})
    out = to_anndata(np.zeros((3, 2)), np.zeros((3, 2)), groups.assign(stop=[3, 5, 9]), {})
    assert out.obs_names.tolist() == ["a/train", "a/test", "b/test"]
    assert out.obs["n_samples"].tolist() == [3, 2, 4]


@pytest.mark.parametrize("content", [None, b"", b"<html>", b"\x89HDF\r\n\x1a\n damaged"])
def test_a_file_that_is_no_h5ad_is_named(tmp_path, content):
    path = tmp_path / "z.h5ad"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(GdeError, match=r"z\.h5ad"):
        read_anndata(path)


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    old = ad.AnnData(np.ones((1, 1), np.float32))
    write_anndata(old, tmp_path / "z.h5ad")
    before = (tmp_path / "z.h5ad").read_bytes()

    def full(file, *_, **__):
        file["half"] = 1
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ad.io, "write_elem", full)
    with pytest.raises(GdeError, match="no space left"):
        write_anndata(old, tmp_path / "z.h5ad")
    assert (tmp_path / "z.h5ad").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1
