"""Settings of cells: defaults that fit what the values are, and files that can be read."""

import pytest
from helpers import refusal

from gde.config.datasets.cells import Donors, PerturbSeq
from gde.config.datasets.tables import H5ad, Table
from gde.config.datasets.tenx import Tenx

H5AD = {"path": "a.h5ad", "groupby": ["donor"]}


def section(kind=H5ad, **options):
    base = {H5ad: H5AD, Table: H5AD, Donors: {"path": "a.h5ad", "labels": ["x"]}}
    return kind(kind=kind.model_fields["kind"].annotation.__args__[0], **base.get(kind, {}), **options)


@pytest.mark.parametrize(
    ("values", "n_hvg"), [("counts", 2000), ("fractional_counts", 2000), ("lognorm", 2000), ("scaled", None)]
)
def test_the_default_number_of_variable_genes_fits_the_values(values, n_hvg):
    first = section(values=values)
    assert first.n_hvg == n_hvg
    again = H5ad.model_validate(first.model_dump())
    assert again == first
    assert section(values=values, n_hvg=None).n_hvg is None


def test_variable_genes_of_scaled_values_are_refused_before_any_job():
    told = refusal(H5ad, H5AD | {"values": "scaled", "n_hvg": 100})
    assert told["key"] == "n_hvg" and "null with values: scaled" in told["expected"]


@pytest.mark.parametrize("kind", [H5ad, Donors])
def test_components_follow_the_data_by_default(kind):
    assert (
        section(kind).n_pcs == "auto" and section(kind, n_pcs=7).n_pcs == 7 and section(kind, n_pcs=None).n_pcs is None
    )
    assert kind.shape(section(kind).model_dump() | {"path": "no file"}) == (None, 50)
    assert Tenx.model_fields["n_pcs"].default == "auto" and section(Table).n_pcs is None
    assert Table.shape(section(Table, n_pcs="auto", features=["a", "b"]).model_dump()) == (None, 2)


@pytest.mark.parametrize(
    ("kind", "options", "key"),
    [
        (H5ad, H5AD | {"path": "x/cells.zarr"}, "path"),
        (Donors, {"path": "cells.zarr/", "labels": ["x"]}, "path"),
        (PerturbSeq, {"files": {"K562": "cells.zarr"}}, "files.K562"),
    ],
)
def test_zarr_stores_are_refused_with_the_way_to_a_file(kind, options, key):
    told = refusal(kind, options)
    assert told["key"] == key and "read_zarr(...).write_h5ad" in told["remedy"]
