"""No key of an .h5ad that is written has a slash, which HDF5 takes for a group and anndata warns of."""

import warnings

import anndata
import h5py
import numpy as np
import pandas as pd
from slashes import nested_keys

from gde.export.h5ad import to_anndata, write_anndata


def written(data, file) -> anndata.AnnData:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_anndata(data, file)
        back = anndata.read_h5ad(file)
    assert nested_keys(file) == []
    return back


def test_every_slot_is_written_without_slashes_and_in_memory_nothing_changes(tmp_path):
    x = np.arange(6.0).reshape(3, 2)
    data = anndata.AnnData(
        x,
        obs=pd.DataFrame({"a/b": ["u", "v", "w"], "a_b": [1, 2, 3]}, index=list("xyz")),
        var=pd.DataFrame({"c/d": [1.0, 2.0]}, index=["g", "h"]),
        obsm={"X/pca": x}, layers={"s/e": x}, obsp={"d/w2": np.eye(3)}, varm={"P/C": x[:2]},
        uns={"gde": {"labels/accuracy": {"ci/low": 1.0}}, "plain": 2},
    )  # fmt: skip
    back = written(data, tmp_path / "a.h5ad")
    assert list(back.obs) == ["a_b_1", "a_b"] and back.obs["a_b_1"].tolist() == ["u", "v", "w"]
    assert list(back.var) == ["c_d"]
    assert [list(getattr(back, slot)) for slot in ("obsm", "layers", "obsp", "varm")] == [
        ["X_pca"], ["s_e"], ["d_w2"], ["P_C"]
    ]  # fmt: skip
    assert back.uns["gde"]["labels_accuracy"]["ci_low"] == 1.0 and back.uns["plain"] == 2
    assert (back.obsm["X_pca"] == x).all() and (back.layers["s_e"] == x).all()
    assert list(data.obs) == ["a/b", "a_b"] and list(data.uns["gde"]) == ["labels/accuracy"]


def test_embeddings_of_groups_named_by_columns_with_a_slash(tmp_path):
    groups = pd.DataFrame(
        {
            "group": ["s/1", "s/2"],
            "split": ["train", "test"],
            "start": [0, 4],
            "stop": [4, 9],
            "disease/state": ["a", "b"],
        }
    )
    back = written(to_anndata(np.eye(2), np.eye(2), groups, {"run": "r"}), tmp_path / "z.h5ad")
    assert back.obs["disease_state"].tolist() == ["a", "b"] and back.obs_names.tolist() == ["s/1", "s/2"]


def test_a_slash_written_otherwise_is_found(tmp_path):
    """The walk of the tests above can fail."""
    with h5py.File(tmp_path / "bad.h5ad", "w") as f:
        f.create_group("obs").attrs["encoding-type"] = "dataframe"
        f["obs"]["composition/Baso"] = np.zeros(3)
    assert nested_keys(tmp_path / "bad.h5ad") == ["obs/composition"]
