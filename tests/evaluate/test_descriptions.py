"""Descriptions that need no training: of each the right values, and nothing of held-out samples in what is fitted."""

import numpy as np
import pytest
from fakes import sample_store

from gde.evaluate.shared.descriptions import DESCRIPTIONS, Descriptions, principal_axes, training_samples


def test_descriptions_are_what_they_are_called():
    rng = np.random.default_rng(0)
    samples = np.concatenate([rng.normal(size=(80, 3)), rng.normal(size=(80, 3)) + 40])
    known = Descriptions(samples, seed=0)
    sets = [rng.normal(size=(9, 3)), np.concatenate([rng.normal(size=(5, 3)), rng.normal(size=(15, 3)) + 40])]
    found = known.of(sets)
    assert tuple(found) == DESCRIPTIONS
    for i, x in enumerate(sets):
        assert found["pseudobulk_mean"][i] == pytest.approx(x.mean(0))
        assert found["mean_sd"][i] == pytest.approx(np.concatenate([x.mean(0), x.std(0)]))
        # three principal components of three features lose nothing: mean and covariance in other coordinates
        mean, cov = found["pca_of_moments"][i][:3], np.zeros((3, 3))
        cov[np.triu_indices(3)] = found["pca_of_moments"][i][3:]
        cov = cov + cov.T - np.diag(cov.diagonal())
        assert mean @ known.axes.T + known.centre == pytest.approx(x.mean(0))
        assert known.axes @ cov @ known.axes.T == pytest.approx(np.cov(x.T, bias=True), abs=1e-6)
    far = known.clusters.mean(1) > 20
    assert found["composition"].sum(1) == pytest.approx(1)
    assert found["composition"][:, far].sum(1) == pytest.approx([0, 0.75])


def test_only_samples_that_train_are_fitted_on(tmp_path):
    rng = np.random.default_rng(0)
    store = sample_store(tmp_path / "store", rng.normal(size=(120, 4)), np.arange(120) % 4)
    train = {row.tobytes() for g in store.select(split="train") for row in store.read(g)}
    assert {row.tobytes() for row in training_samples(store, rng)} == train


def test_principal_axes_keep_the_variance():
    x = np.random.default_rng(0).normal(size=(50, 6)) * [9, 1, 7, 1, 1, 1]
    axes = principal_axes(x, 2)
    assert axes.shape == (6, 2) and np.abs(axes[[0, 2]]).max(0) == pytest.approx([1, 1], abs=0.1)
