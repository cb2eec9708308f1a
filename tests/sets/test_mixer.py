import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gde.errors import GdeError
from gde.sets.mixer import DirichletMixer


@given(k=st.integers(1, 6), more=st.integers(0, 20), n=st.integers(1, 50), seed=st.integers(0, 999))
@settings(max_examples=40, deadline=None)
def test_groups_of_a_set_are_distinct_and_components_number_them(k, more, n, seed):
    groups, component = DirichletMixer(k, 0.7)(k + more, 16, n, np.random.default_rng(seed))
    assert groups.shape == (16, k)
    assert component.shape == (16, n)
    assert groups.min() >= 0
    assert groups.max() < k + more
    assert all(len(set(row)) == k for row in groups.tolist())
    assert component.min() >= 0
    assert component.max() < k


@pytest.mark.parametrize(("k", "alpha"), [(3, 1.0), (2, 0.2), (5, 10.0)])
def test_shares_have_the_moments_of_a_dirichlet_multinomial(k, alpha):
    b, n = 20_000, 30
    _, component = DirichletMixer(k, alpha)(k + 2, b, n, np.random.default_rng(0))
    share = np.stack([(component == j).mean(1) for j in range(k)], 1)  # (b, k)
    p, total = 1 / k, k * alpha
    variance = p * (1 - p) / n * (n + total) / (1 + total)
    assert np.allclose(share.mean(0), p, atol=5 * (variance / b) ** 0.5)
    assert np.allclose(share.var(0), variance, rtol=0.06)
    covariance = np.cov(share.T)[0, 1]
    assert covariance == pytest.approx(-p * p / n * (n + total) / (1 + total), rel=0.1)


def test_every_group_is_as_likely_as_every_other():
    groups, _ = DirichletMixer(3, 1.0)(7, 20_000, 1, np.random.default_rng(0))
    share = np.bincount(groups.ravel(), minlength=7) / 20_000
    assert np.allclose(share, 3 / 7, atol=5 * (3 / 7 * 4 / 7 / 20_000) ** 0.5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DirichletMixer(0), r"mixer\.k: found 0"),
        (lambda: DirichletMixer(3, 0.0), r"mixer\.alpha: found 0\.0"),
        (lambda: DirichletMixer(3)(2, 4, 4, np.random.default_rng(0)), r"mixer\.k: found 3, expected at most .* 2"),
    ],
)
def test_impossible_mixtures_are_refused(make, message):
    with pytest.raises(GdeError, match=message):
        make()
