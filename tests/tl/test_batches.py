"""Batches: a planted shift goes, a planted effect of what is kept stays, and what cannot be told apart is said."""

import numpy as np
import pytest
from simulators.cohort import rotated, simulate_cohort

from gde import tl
from gde.errors import GdeError


def means(data, column, layer=None):
    x = data.X if layer is None else data.layers[layer]
    return np.stack([x[(data.obs[column] == v).to_numpy()].mean(0) for v in sorted(data.obs[column].unique())])


def test_a_planted_batch_goes_and_a_planted_disease_stays():
    data = simulate_cohort(48, disease=3.0, batch=4.0)
    before = data.X.copy()
    table = tl.remove_batch(data, "batch", keep=["disease"], shrink=False)
    assert np.ptp(means(data, "batch"), axis=0).max() > 3
    np.testing.assert_allclose(means(data, "batch", "corrected"), np.tile(data.X.mean(0), (4, 1)), atol=1e-9)
    # in a balanced design the difference of diseases is untouched
    ill, well = means(data, "disease", "corrected")
    np.testing.assert_allclose(ill - well, np.subtract(*means(data, "disease")), atol=1e-9)
    assert (before == data.X).all() and list(table["groups"]) == [12] * 4 and (table["removed"] == 1).all()


def test_in_an_uneven_design_what_is_kept_is_not_taken_for_the_batch():
    rng = np.random.default_rng(0)
    data = simulate_cohort(2000, batch=4.0, batches=2)
    ill = rng.random(2000) < np.where(data.obs["batch"] == "batch_0", 0.25, 0.75)
    data.obs["disease"] = np.where(ill, "ill", "well")
    data.X[:, 0] += 3.0 * ill
    for keep, found in ((["disease"], 3.0), ([], 2.25)):  # without: half of the difference lies between batches
        tl.remove_batch(data, "batch", keep=keep)
        assert np.subtract(*means(data, "disease", "corrected"))[0] == pytest.approx(found, abs=0.15)


def test_a_batch_that_is_none_is_hardly_moved():
    moved = {shrink: [] for shrink in (True, False)}
    for seed in range(20):
        for shrink, found in moved.items():
            data = simulate_cohort(12, 8, seed=seed)
            tl.remove_batch(data, "batch", shrink=shrink)
            found.append(np.linalg.norm(data.layers["corrected"] - data.X))
    assert np.mean(moved[True]) < 0.4 * np.mean(moved[False])
    data = simulate_cohort(48, batch=4.0)
    assert (tl.remove_batch(data, "batch")["removed"] > 0.9).all()


def test_the_correction_turns_with_the_space():
    data = simulate_cohort(24, batch=1.0)
    other, turn = rotated(data)
    for each in (data, other):
        tl.remove_batch(each, "batch", keep=["age"])
    np.testing.assert_allclose(data.layers["corrected"] @ turn, other.layers["corrected"], atol=1e-9)


def test_one_outlier_does_not_move_its_batch():
    data = simulate_cohort(40)
    alone = data.copy()
    data.X[4] += 1e3
    tl.remove_batch(data, "batch")
    tl.remove_batch(alone, "batch")
    others = np.arange(40) != 4
    assert np.abs(data.layers["corrected"] - alone.layers["corrected"])[others].max() < 0.5


def test_a_confounded_column_is_told(caplog):
    data = simulate_cohort(24)
    data.obs["site"] = np.where(data.obs["batch"].isin(["batch_0", "batch_1"]), "north", "south")
    tl.remove_batch(data, "batch")
    assert "batches and site are confounded: 100 % of site lies between batches" in caplog.text
    assert "differences are removed" in caplog.text and "disease" not in caplog.text


def test_what_cannot_be_told_apart_from_the_batch_is_not_kept():
    data = simulate_cohort(24)
    data.obs["site"] = np.where(data.obs["batch"] == "batch_0", "north", "south")
    with pytest.raises(GdeError, match=r"disease and site cannot be told apart from.*leave the column out"):
        tl.remove_batch(data, "batch", keep=["disease", "site"])
    assert "corrected" not in data.layers


@pytest.mark.parametrize(
    ("batch", "keep", "message"),
    [
        ("pool", [], "'pool': found no such column"),
        ("group", [], "24 batches.*expected more groups than effects"),
        ("gap", [], "'gap' of donor_3: found no value"),
        ("same", [], r"one value \(a\)"),
        ("batch", ["gap"], "'gap' of donor_3"),
    ],
)
def test_mistakes_are_named(batch, keep, message):
    data = simulate_cohort(24)
    data.obs["same"] = "a"
    data.obs["gap"] = [None if i == 3 else "ab"[i % 2] for i in range(24)]
    with pytest.raises(GdeError, match=message):
        tl.remove_batch(data, batch, keep=keep)
