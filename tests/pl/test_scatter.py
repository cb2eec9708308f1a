"""The map drawn: a panel for each column, nothing covered, and scales that outliers do not set."""

import matplotlib
import numpy as np
import pytest
from simulators.cohort import simulate_cohort

from gde import pl, tl
from gde.errors import GdeError
from gde.pl.canvas import colour_scale
from gde.pl.panels import round_numbers

matplotlib.use("Agg")
from matplotlib import pyplot
from matplotlib.collections import EllipseCollection, PathCollection
from matplotlib.colors import LogNorm
from matplotlib.text import Text


@pytest.fixture(autouse=True)
def closed():
    yield
    pyplot.close("all")


def mapped(groups=30, **options):
    data = simulate_cohort(groups, disease=3.0, **options)
    tl.map(data, umap=False, permutations=9)
    return data


def dots(ax):
    """Places of all marks (g, 2)."""
    return np.concatenate([c.get_offsets() for c in ax.collections if isinstance(c, PathCollection)])


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_every_column_that_differs_has_a_panel():
    data = mapped()
    data.obs["same"] = "a"
    axes = pl.map(data)
    assert [ax.get_title(loc="left") for ax in axes] == ["disease", "batch", "age", "number of samples"]
    for ax in axes:
        np.testing.assert_allclose(sorted(dots(ax)[:, 0]), sorted(data.obsm["X_pca"][:, 0]), atol=1e-6)
        assert ax.get_xlabel().startswith("PC 1 (") and ax.get_xlabel().endswith("% of variance)")


def test_one_column_gives_one_axes_also_given_ones():
    data = mapped()
    assert pl.map(data, "age").get_title(loc="left") == "age"
    _, own = pyplot.subplots()
    assert pl.map(data, color="disease", ax=own) is own
    with pytest.raises(GdeError, match="one column for it"):
        pl.map(data, ["age", "disease"], ax=own)


def test_filled_is_held_out_open_is_trained_on():
    data = mapped()
    ax = pl.map(data, "disease")
    held = (data.obs["split"] == "test").to_numpy()
    for c in ax.collections:
        if isinstance(c, PathCollection) and len(c.get_offsets()):
            of = [np.abs(data.obsm["X_pca"][:, :2] - place).sum(1).argmin() for place in c.get_offsets()]
            assert set(held[of]) == {bool(len(c.get_facecolors()))}
    labels = [text.get_text() for text in ax.figure.legends[0].get_texts()]
    assert labels[:2] == ["trained on", "held out"] and labels[-2].endswith("samples")


def test_areas_go_with_the_number_of_samples():
    data = mapped()
    ax = pl.map(data, "age")
    sizes = {}
    for c in ax.collections:
        if isinstance(c, PathCollection):
            for place, area in zip(c.get_offsets(), c.get_sizes(), strict=True):
                sizes[int(np.abs(data.obsm["X_pca"][:, :2] - place).sum(1).argmin())] = area
    order = np.argsort(data.obs["n_samples"].to_numpy())
    assert (np.diff([sizes[i] for i in order]) >= 0).all() and len(sizes) == 30


@pytest.mark.parametrize(
    ("low", "high", "shown"),
    [(1, 168, [1, 10, 100]), (50, 2000, [50, 500, 2000]), (17, 19, [17, 19]), (12, 60, [20, 50]), (0, 3, [1, 2])],
)
def test_sizes_in_the_legend_are_round_and_occur(low, high, shown):
    assert round_numbers(low, high) == shown


def test_legends_stand_outside_of_the_points():
    data = mapped()
    for name in ("batch", "disease"):
        ax = pl.map(data, name)
        ax.figure.draw_without_rendering()
        legend = ax.get_legend().get_window_extent()
        assert not (
            legend.x0 < ax.bbox.x1 and legend.x1 > ax.bbox.x0 and legend.y0 < ax.bbox.y1 and legend.y1 > ax.bbox.y0
        )
        marks = ax.figure.legends[0].get_window_extent()
        assert marks.y1 < ax.get_tightbbox().y0 + 1 and not marks.overlaps(legend)


def test_few_groups_are_named_beside_their_points_and_no_name_covers_another():
    data = mapped(10)
    ax = pl.map(data, "group")
    ax.figure.draw_without_rendering()
    assert sorted(texts(ax)) == sorted(data.obs_names) and ax.get_legend() is None
    boxes = [Text.get_window_extent(text) for text in ax.texts]  # without lines to the marks
    for i, box in enumerate(boxes):
        assert sum(box.overlaps(other) for other in boxes[:i]) == 0
        assert not any(box.contains(*ax.transData.transform(place)) for place in dots(ax))


def test_an_outlier_does_not_set_the_scale():
    data = simulate_cohort(60)
    usual = simulate_cohort(60)
    data.X[9, 2] = 1e3
    for each in (data, usual):
        tl.map(each, umap=False, permutations=9)
    axes = pl.map(data, ["disease", "age"])
    for ax in axes:
        assert np.ptp(ax.get_xlim()) < 20 and np.ptp(ax.get_ylim()) < 20
        assert any("1 outside" in text for text in texts(ax))
    assert not any("outside" in text for ax in pl.map(usual) for text in texts(ax))


def test_both_axes_have_one_scale():
    ax = pl.map(mapped(), "disease")
    ax.figure.draw_without_rendering()
    per_x, per_y = ax.bbox.width / np.ptp(ax.get_xlim()), ax.bbox.height / np.ptp(ax.get_ylim())
    assert per_x == pytest.approx(per_y, rel=1e-3)


def test_ellipses_are_those_of_the_errors():
    data = mapped(12)
    ax = pl.map(data, "disease")
    (drawn,) = [c for c in ax.collections if isinstance(c, EllipseCollection)]
    angles, wide, high = drawn._angles, drawn._widths, drawn._heights
    radius = tl.map(data, umap=False, permutations=9)["radius"].to_numpy()
    for i, (a, b, c) in enumerate(data.obsm["X_pca_error"]):
        turn = np.array([[np.cos(angles[i]), -np.sin(angles[i])], [np.sin(angles[i]), np.cos(angles[i])]])
        shape = turn @ np.diag(np.square([wide[i], high[i]])) @ turn.T / radius[i] ** 2
        np.testing.assert_allclose(shape, [[a, b], [b, c]], rtol=1e-5, atol=1e-9)
    assert not [c for c in pl.map(data, "disease", ellipses=False).collections if isinstance(c, EllipseCollection)]


def test_unknown_values_are_grey_and_said():
    data = mapped()
    data.obs["disease"] = data.obs["disease"].astype(object)
    data.obs.loc["donor_3", ["disease", "age"]] = [None, np.nan]
    names, numbers = pl.map(data, ["disease", "age"])
    assert [text.get_text() for text in names.get_legend().get_texts()] == ["ill", "well", "unknown"]
    assert len(dots(names)) == len(dots(numbers)) == 30
    assert any("grey: unknown" in ax.get_ylabel() for ax in numbers.child_axes)


def test_of_many_categories_the_commonest_are_named():
    data = mapped(60)
    data.obs["site"] = [f"site {min(i // 2, 27)}" for i in range(60)]
    ax = pl.map(data, "site")
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert len(labels) == 12 and labels[-1] == "17 others" and "site 27" in labels
    assert len(dots(ax)) == 60


def test_text_can_be_read_in_print():
    axes = pl.map(mapped())
    assert axes[0].figure.get_figwidth() <= 7.2
    assert pl.map(mapped(), "age").figure.get_figwidth() * 25.4 <= 90
    sizes = [t.get_fontsize() for t in axes[0].figure.findobj(Text) if t.get_text()]
    assert min(sizes) >= 6


@pytest.mark.parametrize(
    ("values", "kind", "extend"),
    [
        (np.r_[np.linspace(1, 2, 50)], "Normalize", "neither"),
        (np.r_[np.linspace(1, 2, 50), 1e6], "Normalize", "max"),
        (np.r_[np.linspace(-1, 1, 50), -1e6, np.nan], "Normalize", "min"),
        (np.geomspace(1, 1e4, 50), "LogNorm", "neither"),
    ],
)
def test_scales_of_colour(values, kind, extend):
    norm, found = colour_scale(values)
    assert isinstance(norm, LogNorm) == (kind == "LogNorm") and found == extend
    assert norm.vmax <= 1.001e4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"color": "sex"}, "color: found 'sex', expected an obs column: group, split, disease"),
        ({"basis": "umap"}, r"no obsm\['X_umap'\]"),
        ({"corrected": True}, r"call gde.tl.map\(embeddings, batch=...\) first"),
    ],
)
def test_mistakes_are_named(options, message):
    with pytest.raises(GdeError, match=message):
        pl.map(mapped(10), **options)
    assert not pyplot.get_fignums()


def test_groups_of_few_samples_do_not_stretch_the_axes():
    """Nor are their places lost: triangles at the edge say in which direction they lie."""
    data = mapped(40)
    before = pl.map(data, "disease").get_xlim()
    tiny = np.arange(0, 40, 5)  # more than the outliers that a panel leaves out anyhow
    data.obs.loc[data.obs_names[tiny], "n_samples"] = [1, 2, 3, 1, 2, 3, 1, 2]
    data.obsm["X_pca"][tiny, :2] *= 20
    data.obsm["X_pca_error"][tiny] = np.nan
    ax = pl.map(data, "disease")
    assert np.ptp(ax.get_xlim()) < 1.3 * np.ptp(before)
    left, right = ax.get_xlim()
    outside = sum(not left <= x <= right for x in data.obsm["X_pca"][tiny, 0])
    assert outside and any("outside (triangles)" in text for text in texts(ax))
    assert len(dots(ax)) == 40


def test_ellipses_have_room_and_cut_ones_are_told():
    data = mapped(20)
    data.obsm["X_pca_error"] = np.tile([1e-3, 0.0, 1e-3], (20, 1))
    ax = pl.map(data, "disease")
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    (ellipses,) = (c for c in ax.collections if isinstance(c, EllipseCollection))
    half = ellipses._widths
    x, y = np.asarray(ellipses.get_offsets()).T
    assert (x - half > left).all() and (x + half < right).all() and (y - half > bottom).all() and (y + half < top).all()
    assert not any("cut" in text for text in texts(ax))
    data.obsm["X_pca_error"][3] = [1e4, 0.0, 1e4]
    wide = pl.map(data, "disease")
    assert np.ptp(wide.get_xlim()) < 2.5 * (right - left)
    assert any("1 ellipse cut" in text for text in texts(wide))
