"""The plot of drivers: top features, their intervals, and the observed shifts beside."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import gde
from gde.errors import GdeError


@pytest.fixture
def table() -> pd.DataFrame:
    shift = np.array([2.0, -1.5, 1.0, 0.5])
    made = pd.DataFrame({"feature": ["LYZ", "CD79A", "FTL", "CD3D"], "decoded_shift": shift})
    made = made.assign(lower=shift - 0.3, upper=shift + 0.3, fdr=[0.001, 0.001, 0.2, 0.2])
    made = made.assign(pseudobulk_shift=shift * 1.1, pseudobulk_fdr=[0.001, 0.1, 0.1, 0.001])
    made.attrs = {"first": "B", "second": "Mono", "by": None, "unit": "counts", "n_units": [5, 6]}
    return made


@pytest.fixture(autouse=True)
def close():
    yield
    from matplotlib import pyplot

    pyplot.close("all")


def test_the_top_features_stand_in_the_order_of_their_shifts(table):
    ax = gde.pl.drivers(table, top=3)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["CD79A", "FTL", "LYZ"]
    dots = {tuple(point) for c in ax.collections for point in np.asarray(c.get_offsets()).round(6).tolist()}
    assert {(-1.5, 0.0), (1.0, 1.0), (2.0, 2.0), (2.2, 2.0)} <= dots
    assert "Mono − B" in ax.get_xlabel() and "counts" in ax.get_xlabel()
    words = [t.get_text() for t in ax.get_legend().get_texts()]
    assert len(words) == len(set(words)) == 4


def test_the_table_of_an_anndata_is_drawn_also_from_a_file(table, tmp_path):
    data = ad.AnnData(np.zeros((2, 1), np.float32), uns={"gde_drivers": table})
    data.write_h5ad(tmp_path / "x.h5ad")
    assert len(gde.pl.drivers(ad.read_h5ad(tmp_path / "x.h5ad")).get_yticklabels()) == 4
    del data.uns["gde_drivers"]
    with pytest.raises(GdeError, match=r"call gde\.tl\.drivers"):
        gde.pl.drivers(data)
