"""Associations drawn: the largest on top, filled where significant, with chance and ceiling."""

import matplotlib
import numpy as np
import pytest
from simulators.cohort import simulate_cohort

from gde import pl, tl
from gde.errors import GdeError

matplotlib.use("Agg")
from matplotlib import pyplot


@pytest.fixture(autouse=True)
def closed():
    yield
    pyplot.close("all")


def test_dots_are_the_table():
    data = simulate_cohort(60, disease=2.0)
    table = tl.associations(data, permutations=199).sort_values("r2")
    ax = pl.associations(data)
    assert [label.get_text() for label in ax.get_yticklabels()] == [
        {"n_samples": "number of samples"}.get(name, name) for name in table.index
    ]
    chance, sure, rest = ax.collections[1:4]
    np.testing.assert_allclose(chance.get_offsets()[:, 0], table["chance"])
    np.testing.assert_allclose(sure.get_offsets()[:, 0], table["r2"][table["fdr"] < 0.05])
    np.testing.assert_allclose(rest.get_offsets()[:, 0], table["r2"][table["fdr"] >= 0.05])
    assert [text.get_text() for text in ax.texts][-1].startswith("p .005, FDR ")
    lines = ax.collections[0].get_segments()
    np.testing.assert_allclose([line[1, 0] for line in lines], table["ceiling"])


def test_within_batches_and_what_cannot_be_told_apart():
    data = simulate_cohort(24)
    data.obs["place"] = "at " + data.obs["batch"].astype(str)
    tl.associations(data, within="batch", permutations=19)
    ax = pl.associations(data, within="batch")
    assert ax.get_title(loc="left") == "within each batch"
    assert "not told apart" in [text.get_text() for text in ax.texts]
    with pytest.raises(GdeError, match=r"no uns\['gde_associations'\]"):
        pl.associations(data)
