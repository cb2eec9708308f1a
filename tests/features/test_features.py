"""Laws of the feature pipeline: fitted on what it was given, equal to scanpy and scikit-learn, exact round trips."""

import subprocess
import sys
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from gde.errors import GdeError
from gde.features.moments import Gram, Moments, variable_genes
from gde.features.pipeline import FeaturePipeline

ROOT = Path(__file__).parents[2]
GENES = 120
NAMES = [f"g{i}" for i in range(GENES)]
PLAIN = {"values": "counts", "n_hvg": None, "scale": True, "n_pcs": None}


def counts(n=300, seed=0):
    rng = np.random.default_rng(seed)
    rate = rng.gamma(0.5, 3.0, GENES) * rng.gamma(2.0, 0.5, (n, 1))
    return sp.csr_matrix(rng.poisson(rate).astype(np.float32))


def pieces(x, size=64):
    return lambda: (x[i : i + size] for i in range(0, x.shape[0], size))


def fit(x, **cfg):
    return FeaturePipeline.fit(pieces(x), NAMES, PLAIN | cfg)


@pytest.mark.parametrize("form", [np.asarray, sp.csr_matrix], ids=["dense", "sparse"])
@pytest.mark.parametrize("size", [1, 7, 300])
def test_moments_do_not_depend_on_chunks(form, size):
    rng = np.random.default_rng(0)
    x = rng.normal(1e6, 1.0, (300, 8)) * (rng.random((300, 8)) < 0.7)
    moments = Moments(8)
    for i in range(0, 300, size):
        moments.add(form(x[i : i + size]))
    np.testing.assert_allclose(moments.mean, x.mean(0), rtol=1e-12)
    np.testing.assert_allclose(moments.var(ddof=1), x.var(0, ddof=1), rtol=1e-9)


def test_variance_survives_a_large_mean():
    x = 1.6e9 + np.random.default_rng(0).normal(size=(1000, 1))
    moments = Moments(1)
    for i in range(0, 1000, 100):
        moments.add(x[i : i + 100])
    np.testing.assert_allclose(moments.sd(), x.std(0), rtol=1e-6)


def test_constant_column_is_centred_not_blown_up():
    moments = Moments(2)
    moments.add(np.column_stack([np.full(37, 0.1), np.arange(37)]))
    assert moments.sd()[0] == 1.0


@pytest.mark.parametrize("n_top", [5, 40, 90])
def test_variable_genes_are_scanpys(n_top):
    sc = pytest.importorskip("scanpy")
    x = counts()
    adata = ad.AnnData(x.copy(), var=pd.DataFrame(index=NAMES))
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    sc.pp.highly_variable_genes(adata, n_top_genes=n_top, flavor="seurat")
    assert fit(x, n_hvg=n_top).names == [
        n for n, chosen in zip(NAMES, adata.var["highly_variable"], strict=True) if chosen
    ]


def test_a_gene_without_counts_is_never_variable():
    mean, var = np.array([0.0, 1.0, 2.0, 3.0]), np.array([0.0, 2.0, 9.0, 4.0])
    assert 0 not in variable_genes(mean, var, 4, bins=2)


@pytest.mark.filterwarnings("ignore:zero-centering a sparse")
def test_scaling_is_scanpys():
    sc = pytest.importorskip("scanpy")
    x = counts()
    adata = ad.AnnData(x.copy(), var=pd.DataFrame(index=NAMES))
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    log = adata.X.toarray()
    np.testing.assert_allclose(fit(x, scale=False).transform(x, NAMES), log, rtol=1e-5, atol=1e-6)
    sc.pp.scale(adata, max_value=10)  # divides by the sd with ddof 1
    ours = fit(x).transform(x, NAMES)
    inside = np.abs(adata.X) < 9.9
    np.testing.assert_allclose((ours * np.sqrt(299 / 300))[inside], adata.X[inside], rtol=1e-4, atol=1e-5)
    assert np.abs(ours).max() <= 10


@pytest.mark.parametrize("k", [1, 10, 60])
def test_pca_is_scikit_learns(k):
    decomposition = pytest.importorskip("sklearn.decomposition")
    x = counts()
    before = fit(x).transform(x, NAMES).astype(np.float64)
    pca = decomposition.PCA(k, svd_solver="full").fit(before)
    ours = fit(x, n_pcs=k)
    axes = ours.tensors["components"]
    np.testing.assert_allclose(np.abs((axes * pca.components_).sum(1)), 1, atol=1e-4)
    np.testing.assert_allclose(ours.tensors["variance"], pca.explained_variance_, rtol=1e-4)
    np.testing.assert_allclose(np.abs(ours.transform(x, NAMES)), np.abs(pca.transform(before)), atol=2e-3)
    np.testing.assert_allclose(axes @ axes.T, np.eye(k), atol=1e-10)
    assert (axes[np.arange(k), np.abs(axes).argmax(1)] > 0).all()


def test_covariance_does_not_depend_on_chunks():
    x = np.random.default_rng(0).normal(5, 1, (100, 6))
    whole, parts = Gram(6), Gram(6)
    whole.add(x)
    for i in range(0, 100, 9):
        parts.add(x[i : i + 9])
    np.testing.assert_allclose(parts.m2, whole.m2, rtol=1e-10)
    np.testing.assert_allclose(whole.m2 / 99, np.triu(np.cov(x.T)), rtol=1e-10)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 300), st.booleans(), st.sampled_from([None, 8]))
def test_transform_does_not_depend_on_chunks_or_storage(size, dense, n_pcs):
    x = counts()
    pipeline = fit(x, n_pcs=n_pcs, n_hvg=50)
    whole = pipeline.transform(x, NAMES)
    given_as = x.toarray() if dense else x
    parts = np.concatenate([pipeline.transform(given_as[i : i + size], NAMES) for i in range(0, 300, size)])
    np.testing.assert_allclose(parts, whole, atol=1e-5)
    assert parts.dtype == np.float32


def test_inverse_gives_the_values_before_scaling_back():
    x = counts()
    log = fit(x, scale=False).transform(x, NAMES)
    for cfg in ({"clip": None}, {"clip": None, "n_pcs": GENES}):
        pipeline = fit(x, **cfg)
        np.testing.assert_allclose(pipeline.inverse(pipeline.transform(x, NAMES)), log, atol=1e-4)


def test_inverse_refuses_another_width():
    with pytest.raises(ValueError, match=r"expected \(n, 4\)"):
        fit(counts(), n_pcs=4).inverse(np.zeros((3, 5)))


def test_genes_are_matched_by_name():
    x = counts()
    pipeline = fit(x, n_hvg=40, n_pcs=5)
    order = np.random.default_rng(1).permutation(GENES)
    shuffled = pipeline.transform(x[:, order], [NAMES[i] for i in order])
    np.testing.assert_allclose(shuffled, pipeline.transform(x, NAMES), atol=1e-5)


def test_missing_genes_are_counted_and_named():
    x = counts()
    pipeline = fit(x, n_hvg=40)
    lost = pipeline.names[:7]
    keep = [i for i, n in enumerate(NAMES) if n not in lost]
    with pytest.raises(GdeError) as e:
        pipeline.transform(x[:, keep], [NAMES[i] for i in keep])
    assert "7 of 40 missing" in str(e.value) and lost[0] in str(e.value) and lost[6] not in str(e.value)


def test_a_cell_without_counts_stays_finite():
    x = counts().tolil()
    x[3] = 0
    assert np.isfinite(fit(counts()).transform(x.tocsr(), NAMES)).all()


@pytest.mark.parametrize("cfg", [{}, {"n_hvg": 30, "n_pcs": 6}, {"scale": False}], ids=str)
def test_save_and_load_give_the_same_bits(tmp_path, cfg):
    x = counts()
    pipeline = fit(x, **cfg)
    pipeline.save(tmp_path)
    again = FeaturePipeline.load(tmp_path)
    assert (again.names, again.cfg, again.dim, again.output_names) == (
        pipeline.names, pipeline.cfg, pipeline.dim, pipeline.output_names,
    )  # fmt: skip
    y = pipeline.transform(x, NAMES)
    assert (again.transform(x, NAMES) == y).all()
    assert (again.inverse(y) == pipeline.inverse(y)).all()
    first = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    again.save(tmp_path)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == first


def test_damaged_files_are_named(tmp_path):
    fit(counts(), n_pcs=3).save(tmp_path)
    file = tmp_path / "features.safetensors"
    content = file.read_bytes()
    file.write_bytes(content[:-9])
    with pytest.raises(GdeError, match=r"features\.safetensors"):
        FeaturePipeline.load(tmp_path)
    file.unlink()
    with pytest.raises(GdeError, match="no such file"):
        FeaturePipeline.load(tmp_path)


@pytest.mark.parametrize(
    ("cfg", "message"),
    [
        ({"n_pcs": 500}, "dataset.n_pcs: found 500, expected between 1 and 120 (120 features, 300 training rows)"),
        ({"n_pcs": 0}, "dataset.n_pcs: found 0"),
        ({"values": "scaled", "n_hvg": 10}, "dataset.n_hvg: found 10 with values: scaled"),
        (
            {"values": "raw"},
            "dataset.values: found 'raw', expected one of counts, fractional_counts, normalised, lognorm, scaled",
        ),
    ],
    ids=["too-many", "zero", "hvg-of-scaled", "values"],
)
def test_impossible_steps_are_refused(cfg, message):
    with pytest.raises(GdeError) as e:
        fit(counts(), **cfg)
    assert message in str(e.value)


@pytest.mark.parametrize("form", [sp.csr_matrix, sp.csc_matrix, sp.csr_matrix.toarray], ids=["csr", "csc", "dense"])
def test_a_new_file_and_an_anndata_stream_alike(tmp_path, form):
    x = counts()
    pipeline = fit(x, n_hvg=40, n_pcs=5)
    adata = ad.AnnData(sp.csr_matrix((300, GENES), dtype=np.float32), var=pd.DataFrame(index=NAMES))
    adata.layers["raw"] = form(x)
    adata.write_h5ad(tmp_path / "a.h5ad")
    expected = pipeline.transform(x, NAMES)
    for source in (adata, tmp_path / "a.h5ad", str(tmp_path / "a.h5ad")):
        parts = list(pipeline.transform_h5ad(source, layer="raw", chunk=70))
        assert [len(p) for p in parts] == [70, 70, 70, 70, 20]
        np.testing.assert_allclose(np.concatenate(parts), expected, atol=1e-5)


def test_a_model_can_load_its_features_without_heavy_imports():
    heavy = "scanpy anndata sklearn h5py torch"
    code = f"import gde.features.pipeline, sys; print([m for m in '{heavy}'.split() if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert found.stdout.strip() == "[]"
