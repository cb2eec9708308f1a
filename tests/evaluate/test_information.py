"""Mutual information is found where it is known, in bits, with a null at 0 and intervals that hold it."""

import numpy as np
import pytest

from gde.evaluate.cells import information
from gde.evaluate.cells.information import estimate, gaussian_pairs, ksg, most, recovered


@pytest.mark.parametrize(("dim", "bits"), [(1, 0.0), (1, 0.5), (1, 2.0), (2, 1.0), (3, 0.0), (3, 1.5), (5, 0.7)])
def test_known_information_of_gaussians(dim, bits):
    found = ksg(*gaussian_pairs(3000, dim, bits, np.random.default_rng(0))).mean()
    assert found == pytest.approx(bits, abs=0.06 + 0.05 * dim * (bits > 0))


def test_the_closed_form_for_one_correlation():
    rng, rho = np.random.default_rng(1), 0.8
    x, y = rng.multivariate_normal([0, 0], [[1, rho], [rho, 1]], 4000).T
    assert ksg(x, y).mean() == pytest.approx(-0.5 * np.log2(1 - rho**2), abs=0.05)


def test_tree_and_distance_matrix_count_alike(monkeypatch):
    rng = np.random.default_rng(2)
    x, y = gaussian_pairs(300, 2, 1.0, rng)
    x[50:60] = x[40:50]
    x[200:206], y[200:206] = x[200], y[200]  # six equal pairs: more than k
    by_tree = ksg(x, y)
    monkeypatch.setattr(information, "TREE_DIMENSIONS", 0)
    monkeypatch.setattr(information, "BLOCK", 300 * 7)
    np.testing.assert_allclose(ksg(x, y), by_tree, atol=1e-12)
    assert np.isfinite(by_tree).all()


def test_neither_scale_place_nor_order_matter():
    rng = np.random.default_rng(3)
    x, y = gaussian_pairs(400, 2, 1.0, rng)
    order = rng.permutation(400)
    np.testing.assert_allclose(ksg(7 * x[order] + 3, y[order] / 50), ksg(x, y)[order], atol=1e-9)
    np.testing.assert_allclose(ksg(y, x), ksg(x, y), atol=1e-12)


def test_discrete_values_have_their_entropy():
    """Equal sides with four values, equally likely: two bits, though nearest neighbours coincide."""
    value = np.random.default_rng(4).integers(4, size=2000)
    assert ksg(value, value).mean() == pytest.approx(2.0, abs=0.05)
    assert abs(ksg(value, np.random.default_rng(5).permutation(value)).mean()) < 0.06


def test_equal_sides_reach_the_most_there_is():
    x = np.random.default_rng(6).normal(size=(500, 3))
    assert ksg(x, x).mean() == pytest.approx(most(500), abs=0.02)


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    rng, held = np.random.default_rng(7), 0
    for _ in range(60):
        low, high = estimate(*gaussian_pairs(150, 1, 0.8, rng), rng, permutations=0, halves=40).ci
        held += low < 0.8 < high
    assert 51 <= held <= 60  # 95 % of 60 is 57; 51 has probability 1 %


def test_the_null_covers_zero_and_finds_what_is_there():
    rng = np.random.default_rng(8)
    there = estimate(*gaussian_pairs(200, 2, 1.0, rng), rng, permutations=40, halves=10)
    assert there.p_value == pytest.approx(1 / 41)
    assert np.quantile(there.null, 0.025) < 0 < np.quantile(there.null, 0.975)
    p = [
        estimate(rng.normal(size=(80, 2)), rng.normal(size=(80, 2)), rng, permutations=19, halves=0).p_value
        for _ in range(40)
    ]
    assert 0.3 < np.mean(p) < 0.7  # uniform without information
    assert there.pointwise.mean() == pytest.approx(there.bits)


def test_many_dimensions_are_found_out():
    """The warning: in 64 dimensions little of three bits is found by 300 pairs, in two most."""
    rng = np.random.default_rng(9)
    assert recovered(3.0, 300, 64, rng) < 0.5
    assert recovered(1.5, 300, 2, rng) > 0.8


def test_too_few_pairs_and_unequal_sides_are_refused():
    with pytest.raises(ValueError, match="found 4 and 4 points"):
        ksg(np.zeros((4, 1)), np.zeros((4, 1)))
    with pytest.raises(ValueError, match="found 9 and 8 points"):
        ksg(np.zeros((9, 1)), np.zeros((8, 1)))
