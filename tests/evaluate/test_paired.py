"""Intervals of paired differences: they hold 95 %, and many cuts of the same samples do not narrow them."""

import numpy as np
import pytest

from gde.evaluate.shared.paired import GroupMeans, expanded_levels


def test_every_label_weighs_alike_and_every_group_within_its_label():
    means = GroupMeans(np.array(["a", "a", "a", "b"]), np.random.default_rng(0), 10)
    assert means.mean(np.array([1.0, 1.0, 0.0, 0.5])) == pytest.approx((2 / 3 + 0.5) / 2)


def test_the_same_values_differ_by_nothing_and_a_constant_by_itself():
    values = np.random.default_rng(0).random(12)
    means = GroupMeans(np.arange(12), np.random.default_rng(1), 100)
    assert means.difference(values, values) == {"value": 0.0, "ci": [0.0, 0.0]}
    shifted = means.difference(values + 0.25, values)
    assert [shifted["value"], *shifted["ci"]] == pytest.approx([0.25] * 3)
    low, high = means.interval(values)
    assert low < values.mean() < high


@pytest.mark.parametrize("labels", [np.arange(6), np.arange(10), np.arange(40), np.arange(24) % 2], ids=len)
def test_the_interval_holds_the_truth_in_95_percent(labels):
    """Labels with means of their own; the mean of the values over groups of the same labels is 0.3."""
    rng = np.random.default_rng(len(labels))
    effect = np.where(labels == 0, 5.3, -4.7) if len(set(labels)) == 2 else 0.3
    held = []
    for _ in range(400):
        low, high = GroupMeans(labels, rng, 2000).interval(effect + rng.normal(size=len(labels)))
        held.append(low < 0.3 < high)
    assert 0.92 <= np.mean(held) <= 0.985


def test_levels_are_those_of_the_percentile_interval_for_many_units():
    assert expanded_levels(100_000) == pytest.approx((0.025, 0.975), abs=1e-4)
    assert expanded_levels(5)[0] < 0.005 and expanded_levels(1) == (0.0, 1.0)
