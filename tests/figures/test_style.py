"""Style: outliers do not set the scale, sizes say how many samples, names do not cover each other."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from gde.evaluate.shared.tables import embedding_table, write_tables
from gde.figures import embedding
from gde.figures.read import drawn_of
from gde.figures.style import DOT, areas, inside, name_points, size_handles, style

CLOUD = np.random.default_rng(0).normal(size=(200, 2))


def test_a_few_outliers_do_not_set_the_scale():
    far = np.concatenate([CLOUD, [[90.0, 0.0], [0.0, -70.0]]])
    xlim, ylim, out = inside(*far.T)
    assert np.flatnonzero(out).tolist() == [200, 201]
    assert xlim[1] < 5 and ylim[0] > -5
    assert all(low < v.min() and v.max() < high for v, (low, high) in zip(CLOUD.T, (xlim, ylim), strict=True))


@pytest.mark.parametrize("points", [CLOUD, np.concatenate([CLOUD, CLOUD[:50] + 40]), np.zeros((3, 2))])
def test_what_is_no_outlier_is_inside(points):
    """Also a second cluster, and points that are all the same."""
    xlim, ylim, out = inside(*points.T)
    assert not out.any()
    for v, (low, high) in zip(points.T, (xlim, ylim), strict=True):
        assert low < v.min() and v.max() < high


def test_areas_are_in_proportion_to_samples():
    small, middle, large = areas(np.array([100, 400, 800]))
    assert large == 2 * middle == 3 * DOT and small < middle
    assert areas(np.array([5, 5])).tolist() == [DOT, DOT]
    assert [handle.get_label() for handle in size_handles(np.array([1, 7, 5]))] == ["1 sample", "7 samples"]
    assert not size_handles(np.array([17, 18]))


def test_names_do_not_cover_each_other():
    ax = Figure().subplots()
    ax.set(xlim=(0, 1), ylim=(0, 1))
    name_points(ax, [0.1, 0.11, 0.1, 0.5], [0.5, 0.51, 0.9, 0.5], list("abcd"), 2)
    assert [text.get_text() for text in ax.texts] == ["a", "c"]


@pytest.mark.parametrize(
    ("n", "total", "text"), [(200, 20_000, "200 of 20,000 held-out groups"), (1, 1, "1 held-out group")]
)
def test_how_many_are_drawn_of_how_many(n, total, text):
    assert drawn_of(n, {"held_out": total}, "held-out group") == text


@pytest.mark.parametrize("parts", [("target",), ("context", "target")])
def test_the_map_of_many_labels_says_what_is_drawn(tmp_path, parts):
    """The most frequent labels have a look of their own, the others are counted; so are sub-sets and groups."""
    rng, n = np.random.default_rng(0), 60
    group = np.arange(n).repeat(2)
    label = np.where(group < 20, "first", group.astype(str))
    about = {"group": group.astype(str), "part": np.resize(parts, 2 * n), "sizes": rng.integers(2, 90, 2 * n)}
    table = embedding_table(rng.normal(size=(2 * n, 4)), label=label, **about)
    write_tables(tmp_path, {"embedding": table})
    with style():
        figure = embedding.draw(tmp_path, {"held_out": 1000, "metrics": {}})
    said = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert "first" in said and "20 other labels" in said and ("context" in said) == ("context" in parts)
    assert figure.get_suptitle() == "Embeddings of 120 sub-sets of 60 groups; 60 of 1,000 held-out groups"
    drawn = sum(len(dots.get_offsets()) for dots in figure.axes[0].collections)
    assert drawn == 2 * n
