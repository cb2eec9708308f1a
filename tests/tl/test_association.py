"""Associations: p-values that are uniform where there is nothing, whatever the design, and find what was planted."""

import numpy as np
import pandas as pd
import pytest
from simulators.cohort import rotated, simulate_cohort

from gde import tl
from gde.errors import GdeError
from gde.tl.association import benjamini_hochberg

REPEATS, PERMUTATIONS = 300, 39


def donors_by_type(seed):
    """24 donors in four cell types each: values are of donors, whose sets are alike."""
    rng = np.random.default_rng(seed)
    data = simulate_cohort(96, 4, seed=seed)
    donor = np.arange(96) // 4
    data.X += 2 * rng.normal(size=(24, 4))[donor]
    data.obs["donor"] = [f"d{i}" for i in donor]
    data.obs["disease"] = np.where(rng.permutation(24) < 12, "ill", "well")[donor]
    return data


def uneven_batches(seed):
    """Batches that differ much, and in each another share of the ill, whom nothing else tells apart."""
    rng = np.random.default_rng(seed)
    data = simulate_cohort(40, 4, batch=3.0, seed=seed)
    share = np.array([0.2, 0.4, 0.6, 0.8])[data.obs["batch"].str[-1].astype(int)]
    data.obs["disease"] = np.where(rng.random(40) < share, "ill", "well")
    return data


def p_values(make, column="disease", **options):
    out = []
    for seed in range(REPEATS):
        table = tl.associations(make(seed), [column], permutations=PERMUTATIONS, seed=seed, **options)
        out.append(table.loc[column, "p_value"])
    return np.array(out)


@pytest.mark.parametrize(
    ("make", "column", "options"),
    [
        (lambda seed: simulate_cohort(16, 4, seed=seed), "disease", {}),
        (lambda seed: simulate_cohort(16, 4, seed=seed), "age", {}),
        (donors_by_type, "disease", {"unit": "donor"}),
        (uneven_batches, "disease", {"within": "batch"}),
    ],
    ids=["categories", "number", "units", "batches"],
)
def test_p_values_are_uniform_where_there_is_nothing(make, column, options):
    p = p_values(make, column, **options)
    for level in (0.1, 0.25, 0.5):
        low, high = level * REPEATS + np.array([-3.3, 3.3]) * np.sqrt(REPEATS * level * (1 - level))
        assert low <= (p <= level + 1e-9).sum() <= high, level


@pytest.mark.parametrize("make", [donors_by_type, uneven_batches])
def test_without_the_unit_or_the_batch_they_would_not_be(make):
    assert (p_values(make)[:100] <= 0.05).mean() > 0.3


def test_what_was_planted_is_found():
    data = simulate_cohort(60, disease=2.0, age=1.0)
    table = tl.associations(data)
    assert table.loc["disease", "p_value"] == table.loc["age", "p_value"] == 0.001
    assert table.loc["n_samples", "p_value"] > 0.05 and table.loc["batch", "p_value"] > 0.05
    assert table.loc["disease", "r2"] > 4 * table.loc["disease", "chance"]
    assert (table["r2"] <= table["ceiling"]).all()
    assert list(table["kind"]) == ["categories"] * 3 + ["number"] * 2
    assert data.uns["gde_associations"].equals(table)


def test_r2_is_the_share_of_the_sum_of_squares_and_the_same_in_a_rotated_space():
    data = simulate_cohort(30, disease=1.0)
    z = data.X - data.X.mean(0)
    means = np.stack([z[(data.obs["disease"] == d).to_numpy()].mean(0) for d in data.obs["disease"]])
    age = np.c_[np.ones(30), data.obs["age"]]
    fitted = age @ np.linalg.lstsq(age, z, rcond=None)[0]
    table = tl.associations(data, ["disease", "age"], permutations=9)
    assert table["r2"].to_list() == pytest.approx([(v**2).sum() / (z**2).sum() for v in (means, fitted)])
    other = tl.associations(rotated(data)[0], ["disease", "age"], permutations=9)
    pd.testing.assert_frame_equal(table, other)


def test_chance_and_ceiling():
    """Of k categories of n groups chance explains (k - 1) / (n - 1); errors leave what is not theirs."""
    data = simulate_cohort(40, 30, error=1.0)
    table = tl.associations(data, ["batch"])
    assert table.loc["batch", "chance"] == pytest.approx(3 / 39, rel=0.05)
    true = 1 - np.square(data.X - data.layers["place"]).sum() / np.square(data.X - data.X.mean(0)).sum()
    assert table.loc["batch", "ceiling"] == pytest.approx(true, abs=0.05)


def test_a_column_that_names_the_units_asks_whether_their_sets_lie_together():
    data = simulate_cohort(30)
    data.obs["group"] = data.obs["kind"] = [f"g{i // 3}" for i in range(30)]
    assert tl.associations(data, ["kind"]).loc["kind", "p_value"] > 0.01
    data.X[:] += 3 * np.random.default_rng(1).normal(size=(10, 6)).repeat(3, 0)
    assert tl.associations(data, ["kind"]).loc["kind", "p_value"] == 0.001


def test_what_says_the_same_as_the_batch_has_no_p_value():
    data = simulate_cohort(24)
    data.obs["place"] = "at " + data.obs["batch"].astype(str)
    table = tl.associations(data, within="batch", permutations=19)
    assert np.isnan(table.loc["place", "p_value"]) and table.loc["place", "r2"] == pytest.approx(0)
    assert "batch" not in table.index and table.drop(index="place")["fdr"].notna().all()
    assert "gde_associations_batch" in data.uns


def test_groups_without_a_value_and_outliers_are_left_out():
    data = simulate_cohort(40, disease=2.0)
    data.obs.loc["donor_3", "age"] = np.nan
    data.X[5] = 1e4
    table = tl.associations(data)
    assert table.loc["disease", "groups"] == 39 and table.loc["age", "groups"] == 38
    assert table.loc["disease", "p_value"] == 0.001


def test_rows_that_are_not_independent_are_said(caplog):
    tl.associations(donors_by_type(0), ["disease"], permutations=9)
    assert "disease has one value for each of 24 values of donor" in caplog.text and "unit='donor'" in caplog.text
    caplog.clear()
    tl.associations(donors_by_type(0), ["disease"], unit="donor", permutations=9)
    assert not caplog.text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": ["disese"]}, "'disese': found no such column, expected one of group, split, disease"),
        ({"columns": ["same"]}, "1 different values of 40 groups"),
        ({"unit": "donor"}, "'donor': found no such column"),
        ({"layer": "corrected"}, "no layer 'corrected'.*remove_batch first"),
    ],
)
def test_mistakes_are_named(options, message):
    data = simulate_cohort()
    data.obs["same"] = "a"
    with pytest.raises(GdeError, match=message):
        tl.associations(data, **options)


def test_false_discovery_rates():
    """The example of Benjamini & Hochberg 1995, section 3: four of fifteen are rejected at .05."""
    p = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590,
         1.0]  # fmt: skip
    q = benjamini_hochberg(np.array([*p[::-1], np.nan]))
    assert np.isnan(q[-1]) and (q[:-1] <= 0.05).sum() == 4
    assert q[:-1][::-1][:2] == pytest.approx([0.0015, 0.003]) and (np.diff(q[:-1]) <= 0).all()
