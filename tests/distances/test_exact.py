"""Exact optimal transport against POT, scipy and its own laws."""

import numpy as np
import ot
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gde.distances.exact import REDUCE_FROM, exact_ot_plan, exact_w2, reduce_cost

seeds = st.integers(0, 2**31)


@pytest.mark.parametrize("weighted", [False, True])
def test_equals_pot_for_every_set(weighted):
    r = np.random.default_rng(0)
    x, y = r.normal(size=(3, 20, 4)), r.normal(size=(3, 33, 4))
    a, b = (r.random((3, 20)), r.random((3, 33))) if weighted else (None, None)
    found = exact_w2(x, y, a, b)
    assert isinstance(found, np.ndarray)
    for k in range(3):
        p = np.full(20, 1 / 20) if a is None else a[k] / a[k].sum()
        q = np.full(33, 1 / 33) if b is None else b[k] / b[k].sum()
        assert found[k] == pytest.approx(np.sqrt(ot.emd2(p, q, ot.dist(x[k], y[k]))), rel=1e-9)
        one = exact_w2(x[k], y[k], None if a is None else a[k], None if b is None else b[k])
        assert one == pytest.approx(found[k], rel=1e-12)
        assert exact_ot_plan(x, y, a, b)[k].sum(1) == pytest.approx(p)
        assert exact_ot_plan(x, y, a, b)[k].sum(0) == pytest.approx(q)


@pytest.mark.parametrize("shift", [0.0, 100.0])
@pytest.mark.parametrize("distribution", ["normal", "ties"])
def test_assignment_equals_the_network_simplex(shift, distribution):
    """Sets of one size without weights are assigned; uniform weights that are given go to POT."""
    r = np.random.default_rng(3)
    x, y = r.normal(size=(3, 40, 2)), r.normal(size=(3, 40, 2)) + shift
    if distribution == "ties":
        x, y = x.round(), y.round()
    w = np.full((3, 40), 1 / 40)
    assert exact_w2(x, y) == pytest.approx(exact_w2(x, y, w, w), rel=1e-9)
    plan = exact_ot_plan(x, y)
    assert set(np.unique(plan)) == {0.0, 1 / 40}
    assert plan.sum(1) == pytest.approx(w)
    assert plan.sum(2) == pytest.approx(w)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("m", [300, 420])
@pytest.mark.parametrize("distribution", ["normal", "sorted", "ties", "one_point", "far"])
def test_large_sets_equal_pot(distribution, m, weighted):
    """Their costs are reduced first, whatever the order of the samples, which the parts are cut by."""
    n, r = 300, np.random.default_rng(5)
    assert n >= REDUCE_FROM
    x, y = r.normal(size=(n, 2)), r.normal(size=(m, 2)) * [1, 2] + 1
    if distribution == "sorted":
        x, y = x[x[:, 0].argsort()], y[(-y[:, 0]).argsort()]
    elif distribution == "ties":
        x, y = x.round(), y.round()
    elif distribution == "one_point":
        y[:] = y[0]
    elif distribution == "far":
        y += 1000
    a, b = (r.random(n), r.random(m)) if weighted else (None, None)
    p, q = (np.full(n, 1 / n), np.full(m, 1 / m)) if a is None else (a / a.sum(), b / b.sum())
    expected = np.sqrt(ot.emd2(p, q, ot.dist(x, y), numItermax=10_000_000))
    assert exact_w2(x, y, a, b) == pytest.approx(expected, rel=1e-9)
    plan = exact_ot_plan(x, y, a, b)
    assert plan.sum(1) == pytest.approx(p)
    assert plan.sum(0) == pytest.approx(q)


def test_weight_zero_hides_samples_of_large_sets():
    r = np.random.default_rng(6)
    x, y, weight = r.normal(size=(600, 2)), r.normal(size=(300, 2)), np.repeat([1.0, 0.0], 300)
    assert exact_w2(x, y, weight) == pytest.approx(exact_w2(x[:300], y), rel=1e-9)
    assert exact_w2(x, y, np.tile([1.0, 0.0], 300)) == pytest.approx(exact_w2(x[::2], y), rel=1e-9)


def test_reduced_costs_differ_by_potentials_and_are_nearly_zero_where_mass_goes():
    r = np.random.default_rng(7)
    x, y = r.normal(size=(300, 2)), r.normal(size=(400, 2)) * [1, 2] + 1
    a, b, cost = np.full(300, 1 / 300), np.full(400, 1 / 400), ot.dist(x, y)
    reduced = cost.copy()
    reduce_cost(a, b, reduced)
    assert reduced.min() >= 0
    off = cost - reduced  # u_i + v_j
    assert off - off[:1] == pytest.approx((off[:, :1] - off[0, 0]).repeat(400, 1), abs=1e-9)
    plan = exact_ot_plan(x, y)
    assert (plan * reduced).sum() < 0.02 * (plan * cost).sum()


def test_threads_change_nothing(monkeypatch):
    r = np.random.default_rng(4)
    x, y = r.normal(size=(5, 12, 3)), r.normal(size=(5, 9, 3))
    alone = exact_w2(x, y)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    assert exact_w2(x, y) == pytest.approx(alone, rel=0)


@given(seeds, st.integers(1, 9), st.integers(1, 9))
@settings(max_examples=25, deadline=None)
def test_line_equals_the_network_simplex(seed, n, m):
    r = np.random.default_rng(seed)
    x, y, a, b = r.normal(size=(n, 1)), r.normal(size=(m, 1)), r.random(n), r.random(m)
    plan = exact_ot_plan(x, y, a, b)
    assert exact_w2(x, y, a, b) ** 2 == pytest.approx((plan * ot.dist(x, y)).sum(), rel=1e-9, abs=1e-12)
    assert exact_w2(x, y, a, b) >= scipy.stats.wasserstein_distance(x[:, 0], y[:, 0], a, b) - 1e-12  # W2 >= W1


@given(seeds, st.integers(1, 12), st.integers(1, 3))
@settings(max_examples=20, deadline=None)
def test_metric_axioms_and_scaling(seed, n, d):
    r = np.random.default_rng(seed)
    x, y, z = r.normal(size=(3, n, d))
    assert exact_w2(x, x[r.permutation(n)]) == 0
    assert exact_w2(x, y) == pytest.approx(exact_w2(y, x), rel=1e-9)
    assert exact_w2(x, z) <= exact_w2(x, y) + exact_w2(y, z) + 1e-9
    assert exact_w2(3 * x + 1, 3 * y + 1) == pytest.approx(3 * exact_w2(x, y), rel=1e-9)
    assert exact_w2(x, x + 2) == pytest.approx(2 * np.sqrt(d), rel=1e-9)
    assert exact_w2(np.repeat(x, 2, 0), y) == pytest.approx(exact_w2(x, y), rel=1e-9)


def test_weight_zero_hides_a_sample():
    r = np.random.default_rng(1)
    x, y = torch.from_numpy(r.normal(size=(2, 6, 3))), torch.from_numpy(r.normal(size=(2, 5, 3)))
    weight = torch.tensor([[1.0, 1, 1, 1, 0, 0]]).expand(2, 6)
    hidden = x.clone()
    hidden[:, 4:] = torch.nan
    torch.testing.assert_close(exact_w2(hidden, y, weight), exact_w2(x[:, :4], y))


@pytest.mark.parametrize("d", [1, 2])
def test_gradient_by_finite_differences(d):
    g = torch.Generator().manual_seed(2)
    x = torch.randn(2, 5, d, generator=g, dtype=torch.float64, requires_grad=True)
    y = torch.randn(2, 4, d, generator=g, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(exact_w2, (x, y))


def test_bad_input_is_named():
    x = np.zeros((4, 2))
    with pytest.raises(ValueError, match=r"x \(1, 4, 2\), y \(1, 4, 3\)"):
        exact_w2(x, np.zeros((4, 3)))
    with pytest.raises(ValueError, match=r"weight \(1, 3\)"):
        exact_w2(x, x, np.ones(3))
    with pytest.raises(ValueError, match="weight"):
        exact_w2(x, x, -np.ones(4))
    with pytest.raises(ValueError, match="NaN"):
        exact_w2(x + np.nan, x)
