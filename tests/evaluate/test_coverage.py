"""Intervals from exported standard errors hold the limit as often as they say, and the metric can tell."""

import numpy as np
import pytest
import torch

from gde.evaluate.simulated import coverage
from gde.evaluate.simulated.coverage import LEVELS, SIZES, evaluate_coverage, limit
from gde.sets.families import build
from gde.sets.random import ShardRandom
from gde.sets.types import sample_type


class MeanModel:
    """Embeds the mean, exactly normal for normal samples, and a constant."""

    device = torch.device("cpu")
    alphabet = None

    def __init__(self, dim: int):
        self.dim = self.latent_dim = dim
        self.sample_type = sample_type("vectors", (dim,))

    def encode(self, x, *, mask=None, weight=None):
        mask = torch.ones(x.shape[:2]) if mask is None else mask.float()
        mean = torch.einsum("bnd,bn->bd", x, mask) / mask.sum(1, keepdim=True)
        return torch.cat([mean, torch.ones(len(x), 1)], 1)


def measure(kind="mvn", replicates=24, dim=2, **params):
    family = build(kind, **params)
    return evaluate_coverage(
        MeanModel(dim), family, family.draw(8, ShardRandom(0, 0)), replicates=replicates, seed=0, repeats=50
    )


def test_intervals_for_the_mean_hold_it_95_times_in_100():
    metric, table = measure()
    own = table[table["coordinate [1]"] < 2]  # the third never varies
    at = own[np.isclose(own["nominal [1]"], 0.95)]["coverage [1]"].mean()
    assert at == pytest.approx(0.95, abs=0.02)  # 1,152 intervals: sd .0064
    assert metric["value"] == pytest.approx((2 * at + 1) / 3)
    assert metric["target"] == metric["ceiling"] == 0.95
    assert metric["higher_is_better"] is None
    assert metric["baselines"]["normal_quantile"] < metric["value"]  # 16 folds: 1.96 is too short
    by_level = own.groupby("nominal [1]")["coverage [1]"].mean()
    np.testing.assert_allclose(by_level, LEVELS, atol=0.05)
    assert set(table["n_samples [1]"]) == set(SIZES)


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_wrong_standard_errors_are_seen(monkeypatch, factor):
    right = coverage.standard_errors
    monkeypatch.setattr(coverage, "standard_errors", lambda model, x: factor * right(model, x))
    _, table = measure(replicates=8)
    own = table[(table["coordinate [1]"] < 2) & np.isclose(table["nominal [1]"], 0.95)]["coverage [1]"].mean()
    assert own < 0.8 if factor < 1 else own > 0.99


def test_the_limit_is_the_embedding_of_the_distribution():
    family = build("mvn")
    params = family.draw(3, ShardRandom(0, 0))
    found = limit(MeanModel(2), family, params, 32, seed=0)
    np.testing.assert_allclose(found[:, :2], family.moments(params)[0], atol=0.01)
