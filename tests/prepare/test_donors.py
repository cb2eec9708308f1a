"""Cells of donors become one set per donor, whole donors held out, with labels, batch and composition."""

import anndata as ad
import numpy as np
import pytest
from prepare_data import refused
from simulators.donors import TYPES, simulate_donors

from gde.config.datasets.cells import Donors
from gde.prepare.common.composition import columns
from gde.prepare.donors import prepare
from gde.sets.store.set_store import SetStore


def donors_cfg(path, **changes) -> dict:
    """The settings of a small data set."""
    small = {
        "path": str(path),
        "labels": ["disease"],
        "batch": "batch",
        "cell_type": "cell_type",
        "n_hvg": 50,
        "n_pcs": 5,
    }
    return Donors.model_validate({"kind": "donors", **small, **changes}).model_dump()


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    path = tmp_path_factory.mktemp("donors") / "cells.h5ad"
    return path, simulate_donors(path, seed=1)


def store_of(path, out, **changes) -> SetStore:
    prepare(donors_cfg(path, **changes), out, name="donors", seed=0)
    return SetStore.open(out)


def test_a_set_is_a_donor_with_what_is_true_of_it(simulated, tmp_path):
    path, truth = simulated
    store = store_of(path, tmp_path / "store", labels=["disease", "age"])
    adata, table = ad.read_h5ad(path), truth.table.set_index("donor")
    groups = store.groups.set_index("donor")
    assert sorted(groups.index) == sorted(table.index) and set(groups["split"]) == {"train", "validation", "test"}
    assert (groups["disease"] == table.loc[groups.index, "disease"]).all()
    assert (groups["batch"] == table.loc[groups.index, "batch"]).all()
    size = adata.obs["donor_id"].value_counts()
    assert (store.sizes == size[store.groups["donor"]].to_numpy()).all() and store.meta["labels"] == ["disease", "age"]
    assert columns(store.groups) == [f"composition_{t}" for t in TYPES]
    share = adata.obs.groupby("donor_id", observed=True)["cell_type"].value_counts(normalize=True).unstack()
    np.testing.assert_allclose(store.groups[columns(store.groups)], share.loc[store.groups["donor"], list(TYPES)])
    obs = adata.obs.loc[store.samples["cell"]]
    assert (obs["cell_type"].astype(str).to_numpy() == store.samples["cell_type"]).all()
    assert (obs["donor_id"].astype(str).to_numpy() == np.repeat(store.groups["donor"], store.sizes)).all()
    assert set(store.samples.columns) == {"cell", "donor", "batch", "cell_type"}


def test_further_columns_divide_a_donors_cells_but_not_its_split(simulated, tmp_path):
    store = store_of(simulated[0], tmp_path / "store", groupby=["cell_type"], min_size=3)
    assert store.groups.groupby("donor")["split"].nunique().max() == 1 and len(store) > 60
    assert store.meta["split"]["by"] == "donor" and store.meta["groupby"] == ["donor", "cell_type"]


def test_legacy_and_present_layouts_are_the_same(tmp_path):
    stores = []
    for legacy in (True, False):
        simulate_donors(tmp_path / f"{legacy}.h5ad", donors=8, legacy=legacy, seed=3)
        stores.append(store_of(tmp_path / f"{legacy}.h5ad", tmp_path / f"s{legacy}"))
    np.testing.assert_allclose(stores[0].x, stores[1].x, atol=1e-4)
    assert stores[0].groups.equals(stores[1].groups)


def two_labels(a):
    a.obs["disease"] = np.where(np.arange(len(a)) % 2, "ill", "well")


def two_batches(a):
    a.obs["batch"] = np.where(np.arange(len(a)) % 2, "p1", "p2")


def negative(a):
    a.X.data[5] = -1


def fractional(a):
    a.X.data[5] = 0.25


FAULTS = {
    "wrong donor column": (None, {"donor": "donor"}, ["no 'donor'", "'donor_id'?"]),
    "wrong label column": (None, {"labels": ["diseases"]}, ["no 'diseases'", "'disease'?"]),
    "wrong cell type column": (None, {"cell_type": "celltype"}, ["no 'celltype'", "'cell_type'?"]),
    "a label that varies": (two_labels, {}, ["disease", "within group 'P", "add disease to groupby"]),
    "a batch that varies": (two_batches, {}, ["batch", "within group 'P", "add batch to groupby"]),
    "negative counts": (negative, {}, ["-1", "no negative number"]),
    "fractional counts": (fractional, {}, ["0.25", "whole numbers"]),
    "no raw": (None, {"use_raw": True}, ["no .raw"]),
    "a column in the way": (None, {"batch": None, "labels": ["batch"]}, ["column 'batch'", "rename"]),
    "too few cells": (None, {"min_size": 10_000}, ["lower min_size"]),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_told_in_one_line_and_leave_nothing(simulated, out, tmp_path, fault):
    change, options, parts = FAULTS[fault]
    path = simulated[0]
    if change is not None:
        adata = ad.read_h5ad(path)
        change(adata)
        path = tmp_path / "changed.h5ad"
        adata.write_h5ad(path)
    with refused(out, *parts):
        prepare(donors_cfg(path, **options), out, name="donors", seed=0)
