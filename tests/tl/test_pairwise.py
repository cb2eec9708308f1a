"""Distances between groups: unbiased, the same in a rotated space, and an order that keeps neighbours together."""

import numpy as np
import pytest
from simulators.cohort import rotated, simulate_cohort

from gde import tl
from gde.errors import GdeError
from gde.tl import pairwise


def test_squared_distances_are_unbiased():
    rng = np.random.default_rng(0)
    place, size = rng.normal(size=(6, 5)), rng.uniform(0.2, 0.8, (6, 5))
    truth = np.square(place[:, None] - place[None]).sum(-1)
    found, plain = np.zeros((2, 4000, 6, 6))
    for i in range(4000):
        z = place + size * rng.normal(size=place.shape)
        found[i] = pairwise.squared_distances(z, np.square(size).sum(1))
        plain[i] = pairwise.squared_distances(z, np.zeros(6))
    off = ~np.eye(6, dtype=bool)
    error = found.std(0)[off] / np.sqrt(len(found))
    assert (np.abs(found.mean(0) - truth)[off] < 4.5 * error).all()
    assert (plain.mean(0) - truth)[off].min() > 10 * error.max()


def test_errors_that_are_unknown_take_nothing_off():
    z = np.random.default_rng(0).normal(size=(4, 3))
    noise = np.array([np.nan, 0.1, 0.1, 0.2])
    d2 = pairwise.squared_distances(z, noise)
    assert d2[0, 1] == pytest.approx(np.square(z[0] - z[1]).sum() - 0.1)
    assert (np.diag(d2) == 0).all() and (d2 == d2.T).all()


def test_distances_do_not_change_when_the_space_is_rotated():
    data = simulate_cohort(12)
    data.layers["se"][:] = 0.2
    other, _ = rotated(data)
    first, second = tl.distances(data), tl.distances(other)
    assert list(first.index) == list(second.index)
    np.testing.assert_allclose(first, second, atol=1e-6)


def test_sets_of_one_distribution_are_at_distance_zero_and_next_to_each_other():
    data = simulate_cohort(20, error=0.05, seed=1)
    data.X[7] = data.layers["place"][3] + 0.02
    table = tl.distances(data)
    assert table.loc["donor_7", "donor_3"] == 0
    names = list(table.index)
    assert abs(names.index("donor_7") - names.index("donor_3")) == 1
    assert sorted(names) == sorted(data.obs_names) and list(table.columns) == names
    assert data.obsp["gde_distances"][3, 7] == 0 and data.uns["gde_distances"]["linkage"].shape == (19, 4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a[:2], "2 groups, expected 3 or more"),
        (lambda a: spoiled(a), "donor_4: found NaN"),
    ],
)
def test_what_is_no_embedding_is_named(change, message):
    with pytest.raises(GdeError, match=message):
        tl.distances(change(simulate_cohort(10)))


def spoiled(data):
    data.X[4, 2] = np.nan
    return data


def test_a_matrix_that_would_not_fit_is_refused(monkeypatch):
    monkeypatch.setattr(pairwise, "MOST", 10)
    with pytest.raises(GdeError, match=r"12 groups, expected at most 10.*choose some"):
        tl.distances(simulate_cohort(12))
