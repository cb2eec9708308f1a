"""Rank correlation is scipy's, with and without ties."""

import numpy as np
import pytest
from scipy import stats

from gde.evaluate.shared.distance_correlation import ranks, spearman


@pytest.mark.parametrize("values", [1, 3, 1000, None], ids=["constant", "many ties", "few ties", "no ties"])
def test_ranks(values):
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=500) if values is None else rng.integers(values, size=500) for _ in range(2))
    assert np.array_equal(ranks(a), stats.rankdata(a))
    if values != 1:
        assert spearman(a, b) == pytest.approx(stats.spearmanr(a, b).statistic, abs=1e-12)
