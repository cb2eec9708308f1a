"""The matrix of distances drawn: rows in the order of the tree, the same on both sides of the diagonal."""

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


def mapped(groups=12, **options):
    data = simulate_cohort(groups, **options)
    tl.distances(data)
    return data


def test_rows_are_in_the_order_of_the_tree():
    data = mapped()
    axes = pl.distances(data)
    tree, matrix = axes[0], axes[-1]
    order = data.uns["gde_distances"]["order"]
    assert [label.get_text() for label in matrix.get_yticklabels()] == list(data.obs_names[order])
    shown = matrix.images[0].get_array()
    np.testing.assert_allclose(shown, data.obsp["gde_distances"][np.ix_(order, order)])
    assert (np.diag(shown) == 0).all()
    # leaves of the tree stand at the middle of their rows, the first on top
    tree.figure.draw_without_rendering()
    leaf = tree.transData.transform([[0, 5], [0, 10 * 11 + 5]])[:, 1]
    row = matrix.transData.transform([[0, 0], [0, 11]])[:, 1]
    np.testing.assert_allclose(leaf, row, atol=1.0)


def test_the_outlier_is_not_the_scale():
    data = simulate_cohort(40)
    data.X[3] = 1e4
    tl.distances(data)
    axes = pl.distances(data)
    assert axes[-1].images[0].norm.vmax < 20 and axes[0].get_xlim()[0] < 20


def test_strips_show_what_groups_are():
    data = mapped(60)
    axes = pl.distances(data)
    assert [label.get_text() for label in axes[1].get_xticklabels()] == ["disease", "batch", "age"]
    rows = axes[1].images[0].get_array()
    ill = (data.obs["disease"] == "ill").to_numpy()[data.uns["gde_distances"]["order"]]
    assert len({tuple(c) for c in rows[ill, 0]}) == 1 and len({tuple(c) for c in rows[:, 0]}) == 2
    labels = [text.get_text() for text in axes[0].figure.legends[0].get_texts()]
    assert labels[:2] == ["disease: ill", "disease: well"] and labels[-1].startswith("age: ")
    assert len(pl.distances(data, "disease")[1].get_xticklabels()) == 1
    assert len(pl.distances(data, [])) == 2


def test_many_groups_are_counted_and_not_named():
    axes = pl.distances(mapped(60))
    assert not axes[-1].get_yticklabels() and "60 embeddings" in axes[0].get_ylabel()


def test_mistakes_are_named():
    with pytest.raises(GdeError, match=r"no obsp\['gde_distances'\].*call gde.tl.map"):
        pl.distances(simulate_cohort(10))
    with pytest.raises(GdeError, match="color: found 'sex'"):
        pl.distances(mapped(), "sex")


def test_columns_without_a_strip_are_named():
    data = mapped(60)
    data.obs["plate"] = [f"p{i % 20}" for i in range(60)]
    data.obs["dose"] = np.arange(60) % 7 / 2
    told = pl.distances(data)[-1].figure.axes[-1].get_xlabel()
    assert "no strip: dose, plate (20 values)" in told.replace("plate (20 values), dose", "dose, plate (20 values)")
    assert "no strip" not in pl.distances(data, ["plate", "dose"])[-1].figure.axes[-1].get_xlabel()
