"""Regression finds what was planted, refuses to fit noise, and projections keep the information they are fitted for."""

import numpy as np
import pytest

from gde.evaluate.cells.information import ksg
from gde.evaluate.cells.projection import components, cross_projection
from gde.evaluate.shared.regression import ridge, softmax


def test_ridge_is_the_closed_form_of_its_penalty():
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(60, 5)), rng.normal(size=(5, 3))
    y = x @ w + 2.0 + 0.01 * rng.normal(size=(60, 3))
    model = ridge(x, y, rng)
    centred = x - x.mean(0)
    unit = np.square(centred).sum() / len(x)
    expected = np.linalg.solve(centred.T @ centred + model.penalty * unit * np.eye(5), centred.T @ (y - y.mean(0)))
    np.testing.assert_allclose(model.weight, expected, atol=1e-9)
    assert model.penalty == 1e-3 and np.abs(model(x) - y).mean() < 0.05


def test_ridge_of_noise_predicts_the_mean():
    rng, gaps = np.random.default_rng(1), []
    for _ in range(9):
        x, y = rng.normal(size=(40, 300)), rng.normal(size=(40, 2)) + 5
        gaps.append(np.abs(ridge(x, y, rng)(rng.normal(size=(20, 300))) - y.mean(0)).max())
    assert np.median(gaps) < 0.2


def test_softmax_finds_planted_shares_and_its_gradient_is_zero():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(400, 3))
    logits = x @ np.array([[2.0, 0, -1], [0, 1, 0], [0, 0, 0]])
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    drawn = np.stack([rng.multinomial(30, p) for p in shares]) / 30
    model = softmax(x, drawn, rng)
    assert np.abs(model(x) - shares).mean() < 0.02
    np.testing.assert_allclose(model(x).sum(1), 1, atol=1e-12)
    np.testing.assert_allclose(model(x).mean(0), drawn.mean(0), atol=1e-3)  # an unpenalised offset fits the mean


def test_softmax_of_noise_predicts_the_mean():
    rng = np.random.default_rng(3)
    drawn = rng.dirichlet([2, 1, 1], size=60)
    model = softmax(rng.normal(size=(60, 30)), drawn, rng)
    assert np.abs(model(rng.normal(size=(50, 30))) - drawn.mean(0)).mean() < 0.06


def test_groups_stay_together_when_the_penalty_is_chosen():
    """Features that identify a group and nothing else look predictive only where a group is cut by the folds."""
    rng = np.random.default_rng(4)
    group = np.repeat(np.arange(30), 6)
    x, shares = rng.normal(size=(30, 40))[group], np.eye(2)[rng.integers(2, size=30)[group]]
    assert softmax(x, shares, rng, groups=group).penalty > softmax(x, shares, rng).penalty


def test_a_projection_keeps_what_two_sides_share():
    """One shared direction in 30 dimensions: held-out pairs show its information after the projection."""
    rng = np.random.default_rng(5)
    shared, rho = rng.normal(size=900), 0.9
    x, y = rng.normal(size=(2, 900, 30))
    x[:, 4] = shared
    y[:, 7] = rho * shared + np.sqrt(1 - rho**2) * rng.normal(size=900)
    rotate = np.linalg.qr(rng.normal(size=(30, 30)))[0]
    x, y = x @ rotate, y @ rotate.T
    found = cross_projection(x[:600], y[:600], rng)
    true = -0.5 * np.log2(1 - rho**2)
    assert found.x.directions.shape == (30, 1) and found.correlation[0] > 0.75
    bits = ksg(found.x(x[600:]), found.y(y[600:])).mean()
    assert bits > 0.7 * true > 2 * ksg(x[600:], y[600:]).mean()


def test_a_projection_of_noise_shows_nothing_held_out():
    rng = np.random.default_rng(6)
    x, y = rng.normal(size=(2, 300, 20))
    found = cross_projection(x[:200], y[:200], rng)
    assert abs(ksg(found.x(x[200:]), found.y(y[200:])).mean()) < 0.2
    assert len(found.correlation) == 1


def test_components_are_orthonormal_and_ordered():
    x = np.random.default_rng(7).normal(size=(50, 6)) * [5, 1, 3, 1, 1, 1]
    pca = components(x, 3)
    np.testing.assert_allclose(pca.directions.T @ pca.directions, np.eye(3), atol=1e-12)
    assert (np.diff(pca(x).var(0)) < 0).all()
    with pytest.raises(ValueError, match="found 4 pairs"):
        cross_projection(x[:4], x[:4], np.random.default_rng(0))
