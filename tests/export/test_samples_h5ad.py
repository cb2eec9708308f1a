"""Generated cells as others read them: expression as it can be, accepted by scanpy and by gde itself."""

import warnings

import anndata as ad
import numpy as np
import pytest
import tiny

from gde.embed import embed_data
from gde.errors import GdeError
from gde.export.h5ad import write_anndata
from gde.sample import draw, sample_to_file


@pytest.fixture(scope="module", params=["counts", "scaled"])
def made(request, tmp_path_factory):
    """A model, and the file of samples that it writes for three donors."""
    root, data = tmp_path_factory.mktemp("samples"), tiny.cells()
    if request.param == "scaled":
        data.X = data.X.toarray() - 2.0
    data.write_h5ad(root / "cells.h5ad")
    config = tiny.cells_experiment(root / "cells.h5ad", {"dataset.values": request.param, "dataset.scale": True})
    model = tiny.model_for(tiny.prepare(config, root / "sets"), config)
    model.digest = "d" * 64
    z = embed_data(model, root / "cells.h5ad", "donor")[:3].copy()
    write_anndata(z.copy(), root / "z.h5ad")
    sample_to_file(model, z, root / "z.h5ad", root / "samples.h5ad", n=40, seed=1)
    return request.param, model, z, root / "samples.h5ad"


def test_expression_is_never_negative_nor_above_the_data(made):
    values, model, z, path = made
    out = ad.read_h5ad(path)
    raw = np.concatenate([x for _, x in draw(model, z, 40, 1)])
    np.testing.assert_array_equal(out.obsm["X_features"], raw)  # as the model made them
    whole = model.features.inverse(raw)
    assert (whole < 0).any()
    if values == "scaled":
        np.testing.assert_array_equal(out.X, whole)
    else:
        np.testing.assert_array_equal(out.X, whole.clip(0, model.features.tensors["largest"]))


def test_the_file_says_that_it_is_a_reconstruction(made):
    assert "reconstruction, not a prediction" in ad.read_h5ad(made[-1]).uns["gde"]["samples"]


def test_differences_of_samples_are_ranked_without_a_warning(made):
    import scanpy as sc

    if made[0] == "scaled":
        pytest.skip("fold changes are of expression")
    out = sc.read_h5ad(made[-1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sc.tl.rank_genes_groups(out, "set", method="wilcoxon")
        frame = sc.get.rank_genes_groups_df(out, None)
    assert np.isfinite(frame["logfoldchanges"]).all() and len(frame) == 3 * out.n_vars


def test_vectors_have_no_blocks(made, tmp_path):
    _, model, z, path = made
    with pytest.raises(GdeError, match="--bgzip: found samples that are vectors"):
        sample_to_file(model, z, path.parent / "z.h5ad", tmp_path / "x.h5ad", n=1, seed=0, blocks=True)
    assert not list(tmp_path.iterdir())


def test_gde_reads_its_own_samples(made, tmp_path):
    values, _, _, path = made
    own = {"values": "lognorm" if values == "counts" else "scaled", "groupby": ["set"], "split": {"by": "sample"}}
    config = tiny.cells_experiment(path, {f"dataset.{key}": value for key, value in own.items()})
    store = tiny.prepare(config, tmp_path / "sets")
    assert set(store.groups["group"]) == set(ad.read_h5ad(path).obs["set"])
