"""Principal components by default are those that hold in rows they are not fitted on."""

import numpy as np
import pytest
import scipy.sparse as sp

from gde.errors import GdeError
from gde.features.held_out import MOST, components_that_hold, second_half
from gde.features.moments import Gram
from gde.features.pipeline import AUTO, FeaturePipeline

D = 200
NAMES = [f"g{i}" for i in range(D)]


def planted(n, rank, size=6.0, seed=0):
    """Rows (n, D) of unit noise with `rank` directions of standard deviation `size`, well above it."""
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.normal(size=(D, rank)))[0]
    return (rng.normal(size=(n, rank)) * size) @ axes.T + rng.normal(size=(n, D))


def fit(x, n_pcs=AUTO, size=50):
    cfg = {"values": "scaled", "scale": False, "n_pcs": n_pcs}
    return FeaturePipeline.fit(lambda: (x[i : i + size] for i in range(0, len(x), size)), NAMES[: x.shape[1]], cfg)


@pytest.mark.parametrize("rank", [2, 5, 20])
@pytest.mark.parametrize("n", [200, 1000])
def test_as_many_as_are_planted(n, rank):
    assert fit(planted(n, rank)).dim == rank


def test_noise_keeps_the_two_of_a_picture_and_many_rows_keep_all():
    assert fit(planted(138, 1, size=0.0)).dim == 2
    assert fit(planted(30_000, 1, size=0.0)[:, :60]).dim == MOST  # axes of noise, but what they have they keep


@pytest.mark.parametrize("n", [2, 3, 5])
def test_few_rows_still_give_components(n):
    assert 1 <= fit(planted(n, 1)).dim <= min(2, n - 1)
    with pytest.raises(GdeError, match="training rows: found one"):
        fit(planted(1, 1))


def test_the_axes_are_those_of_all_rows():
    x = planted(300, 4)
    chosen, given = fit(x), fit(x, 4)
    assert chosen.cfg["n_pcs"] == 4
    for name, tensor in given.tensors.items():
        np.testing.assert_allclose(chosen.tensors[name], tensor, atol=1e-9)


def test_the_choice_does_not_depend_on_order_or_chunks():
    x = planted(160, 7, size=2.5)
    dims = {fit(x[np.random.default_rng(s).permutation(160)], size=31 + s).dim for s in range(4)}
    assert len(dims) == 1


@pytest.mark.parametrize("form", [np.asarray, sp.csr_matrix], ids=["dense", "sparse"])
def test_halves_are_of_the_rows_numbers(form):
    x = np.random.default_rng(0).poisson(2.0, (2000, 50)).astype(np.float32)
    half = second_half(form(x))
    assert abs(half.mean() - 0.5) < 0.05
    at = np.random.default_rng(1).permutation(2000)
    np.testing.assert_array_equal(second_half(form(x[at])), half[at])
    np.testing.assert_array_equal(half, second_half(x))


def test_variance_elsewhere_is_that_along_the_axes():
    x, y = planted(60, 3), planted(500, 3, seed=1)  # other axes: nothing of the first holds
    a, b = Gram(D), Gram(D)
    a.add(x)
    b.add(y)
    before = a.m2.copy()
    assert components_that_hold(a, b) == 2
    assert (a.m2 == before).all()
    both = Gram(D)
    both += a
    both += b
    np.testing.assert_allclose(np.triu(both.m2), np.triu(np.cov(np.concatenate([x, y]).T)) * 559, rtol=1e-8, atol=1e-6)
