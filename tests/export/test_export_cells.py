"""Every cell gets the embedding of its own group, in the order and under the names of the file."""

import anndata as ad
import numpy as np
import pytest
import tiny

from gde.embed import embed_data
from gde.errors import GdeError
from gde.export.cells import embed_cells
from gde.export.h5ad import write_anndata


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    root = tmp_path_factory.mktemp("export")
    tiny.cells().write_h5ad(root / "cells.h5ad")
    config = tiny.cells_experiment(root / "cells.h5ad")
    return root / "cells.h5ad", tiny.model_for(tiny.prepare(config, root / "sets"), config)


@pytest.mark.parametrize("groupby", ["donor", ["donor", "cell_type"], None])
def test_cells_have_the_embedding_of_their_group(world, groupby):
    path, model = world
    data, sets, cells = ad.read_h5ad(path), embed_data(model, path, groupby), embed_cells(model, path, groupby)
    assert cells.obs_names.tolist() == data.obs_names.tolist() and cells.n_vars == 0
    columns = [groupby] if isinstance(groupby, str) else groupby or []
    for column in columns:
        assert (cells.obs[column].astype(str).to_numpy() == data.obs[column].astype(str).to_numpy()).all()
    place = sets.obs_names.get_indexer(cells.obs["set"].astype(str))
    assert (place >= 0).all()
    np.testing.assert_array_equal(cells.obsm["X_gde"], sets.X[place])
    np.testing.assert_array_equal(cells.obsm["X_gde_se"], sets.layers["se"][place])
    np.testing.assert_array_equal(
        cells.obs["n_samples"], cells.obs.groupby("set", observed=True)["set"].transform("size")
    )


def test_scanpy_finds_the_embedding_of_sets_and_of_cells(world, tmp_path):
    import scanpy as sc

    path, model = world
    for name, made in (("sets", embed_data(model, path, "donor")), ("cells", embed_cells(model, path, "donor"))):
        write_anndata(made, tmp_path / f"{name}.h5ad")
        read = sc.read_h5ad(tmp_path / f"{name}.h5ad")
        frame = sc.get.obs_df(read, keys=["donor"], obsm_keys=[("X_gde", 0), ("X_gde", 3)])
        np.testing.assert_array_equal(frame["X_gde-3"], made.obsm["X_gde"][:, 3])
        assert read.uns["gde"]["run"] == model.config.get("run", "")
    assert read.uns["gde"]["level"] == "cell"


def test_an_unknown_column_is_named(world):
    with pytest.raises(GdeError, match="doner"):
        embed_cells(world[1], world[0], "doner")
