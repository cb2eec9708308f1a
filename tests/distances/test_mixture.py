"""MW2 between mixtures, and expectation-maximisation from a start."""

import time
from itertools import pairwise

import numpy as np
import ot
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.mixture import GaussianMixture

from gde.distances.em import fit_gmm_from
from gde.distances.exact import exact_w2
from gde.distances.gaussian import gaussian_w2
from gde.distances.mixture import mw2, mw2_matrix


def mixtures(b, k, d, seed):
    g = torch.Generator().manual_seed(seed)
    factor = torch.randn(b, k, d, d + 2, generator=g, dtype=torch.float64) / 2
    weight = torch.rand(b, k, generator=g, dtype=torch.float64) + 0.05
    means = 3 * torch.randn(b, k, d, generator=g, dtype=torch.float64)
    return weight / weight.sum(-1, keepdim=True), means, factor @ factor.mT / (d + 2)


def sample(w, m, c, n, seed):
    g = torch.Generator().manual_seed(seed)
    k = torch.multinomial(w, n, True, generator=g)
    rows = torch.arange(len(w))[:, None]
    noise = torch.randn(len(w), n, m.shape[-1], 1, generator=g, dtype=torch.float64)
    return m[rows, k] + (torch.linalg.cholesky(c)[rows, k] @ noise)[..., 0]


@pytest.mark.parametrize("k", [1, 2, 3, 5])  # 5: network simplex, below: all vertices
@pytest.mark.parametrize("d", [1, 2, 5])
def test_equals_pot(k, d):
    p, q = mixtures(4, k, d, 0), mixtures(4, 3, d, 1)
    found = mw2(*p, *q)
    for i in range(4):
        (w1, m1, c1), (w2, m2, c2) = ((t[i] for t in p), (t[i] for t in q))
        expected = ot.gmm.gmm_ot_loss(*(t.numpy() for t in (m1, m2, c1, c2, w1, w2)))
        assert found[i].item() ** 2 == pytest.approx(expected, rel=1e-8)


@given(st.integers(0, 2**31), st.integers(1, 4), st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_every_coupling_solver_agrees_with_the_network_simplex(seed, k, m):
    from gde.distances.mixture import _couplings

    g = torch.Generator().manual_seed(seed)
    weights = [torch.randint(0, 4, (6, size), generator=g).double() for size in (k, m)]  # zeros: degenerate vertices
    weights = [(w + (w.sum(-1, keepdim=True) == 0)) for w in weights]
    a, b = (w / w.sum(-1, keepdim=True) for w in weights)
    cost = torch.rand(6, k, m, generator=g, dtype=torch.float64)
    plan = _couplings(a, b, cost)
    torch.testing.assert_close(plan.sum(2), a)
    torch.testing.assert_close(plan.sum(1), b)
    for i in range(6):
        expected = ot.emd2(a[i].numpy(), b[i].numpy(), cost[i].numpy())
        assert (plan[i] * cost[i]).sum().item() == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_one_component_is_the_gaussian_distance():
    w, m, c = mixtures(6, 1, 3, 2)
    expected = gaussian_w2(m[:3, 0], c[:3, 0], m[3:, 0], c[3:, 0])
    torch.testing.assert_close(mw2(w[:3], m[:3], c[:3], w[3:], m[3:], c[3:]), expected)


def test_is_an_upper_bound_of_w2_and_metric():
    w, m, c = mixtures(3, 3, 2, 3)
    x = sample(w, m, c, 800, 0)
    matrix = mw2_matrix(w, m, c)
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert exact_w2(x[i], x[j]) <= matrix[i, j] * 1.1  # 800 samples each: a few per cent of noise
        assert matrix[i, j] <= matrix[i].add(matrix[j]).min() + 1e-9  # triangle over every middle
    assert mw2(w, m, c, w, m, c).max() < 1e-6
    order = torch.tensor([2, 0, 1])
    assert mw2(w, m, c, w[:, order], m[:, order], c[:, order]).max() < 1e-6  # the order of components means nothing


def test_matrix_equals_pairs_and_is_fast():
    w, m, c = mixtures(200, 3, 2, 4)
    start = time.perf_counter()
    matrix = mw2_matrix(w, m, c)
    assert time.perf_counter() - start < 5
    torch.testing.assert_close(matrix, matrix.T)
    torch.testing.assert_close(
        matrix.diagonal(1), mw2(w[:-1], m[:-1], c[:-1], w[1:], m[1:], c[1:]), rtol=1e-7, atol=1e-7
    )


def test_gradient_by_finite_differences():
    (w1, m1, c1), (w2, m2, c2) = mixtures(2, 2, 2, 5), mixtures(2, 3, 2, 6)
    l1, l2 = torch.linalg.cholesky(c1), torch.linalg.cholesky(c2)
    inputs = tuple(t.requires_grad_() for t in (m1, l1, m2, l2))
    assert torch.autograd.gradcheck(lambda m1, l1, m2, l2: mw2(w1, m1, l1 @ l1.mT, w2, m2, l2 @ l2.mT), inputs)


@pytest.mark.parametrize("d", [1, 2, 4])
def test_em_equals_scikit_learn_from_the_same_start(d):
    w, m, c = mixtures(3, 2, d, 7)
    x = sample(w, m, c, 400, 1)
    start = (torch.full((3, 2), 0.5), m + 0.3, torch.eye(d, dtype=torch.float64).expand(3, 2, d, d))
    found = fit_gmm_from(x, *start, floor=1e-6)
    for k in range(3):
        fit = GaussianMixture(2, weights_init=[0.5, 0.5], means_init=start[1][k].numpy(),
                              precisions_init=np.broadcast_to(np.eye(d), (2, d, d))).fit(x[k].numpy())  # fmt: skip
        for a, b in zip(found, (fit.weights_, fit.means_, fit.covariances_), strict=True):
            np.testing.assert_allclose(a[k].numpy(), b, rtol=1e-3, atol=1e-4)


def test_em_ignores_masked_points_and_raises_the_likelihood():
    w, m, c = mixtures(2, 3, 2, 8)
    x = sample(w, m, c, 300, 2)
    padded = torch.cat([x, torch.full((2, 50, 2), torch.nan)], 1)
    mask = torch.arange(350).expand(2, 350) < 300
    for a, b in zip(fit_gmm_from(x, w, m, c), fit_gmm_from(padded, w, m, c, mask=mask), strict=True):
        torch.testing.assert_close(a, b)

    def likelihood(w, m, c):
        mixture = torch.distributions.MixtureSameFamily(
            torch.distributions.Categorical(w), torch.distributions.MultivariateNormal(m, c)
        )
        return mixture.log_prob(x.transpose(0, 1)).mean(0)

    values = [likelihood(*fit_gmm_from(x, w, m + 1, c, steps=s, tolerance=0)) for s in (1, 2, 5, 20)]
    assert all((b >= a - 1e-9).all() for a, b in pairwise(values))


def test_em_keeps_a_component_without_samples():
    x = torch.randn(1, 100, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    m = torch.tensor([[[0.0, 0], [1e4, 1e4]]], dtype=torch.float64)
    w, means, covs = fit_gmm_from(x, torch.tensor([[0.5, 0.5]]), m, torch.eye(2).expand(1, 2, 2, 2))
    torch.testing.assert_close(w, torch.tensor([[1.0, 0.0]], dtype=torch.float64))
    torch.testing.assert_close(means[0, 1], m[0, 1])
    assert torch.isfinite(covs).all()


def test_bad_input_is_named():
    w, m, c = mixtures(2, 3, 2, 9)
    with pytest.raises(ValueError, match=r"weights \(2, 2\)"):
        mw2(w[:, :2], m, c, w, m, c)
    with pytest.raises(ValueError, match="weights >= 0"):
        mw2_matrix(-w, m, c)
    with pytest.raises(ValueError, match=r"points \(1, 5, 2\)"):
        fit_gmm_from(torch.zeros(1, 5, 2), w, m, c)
    with pytest.raises(ValueError, match="floor = 0"):
        fit_gmm_from(torch.zeros(2, 5, 2), w, m, c, floor=0)
