"""Laws of the Gaussian 2-Wasserstein distance and its geodesics."""

import numpy as np
import ot
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gde.distances.gaussian import bures2, gaussian_ot_path, gaussian_w2, gaussian_w2_matrix

DIMS = [1, 2, 3, 6]
seeds = st.integers(0, 2**31)


def draw(b, d, seed, rank=None):
    g = torch.Generator().manual_seed(seed)
    factor = torch.randn(b, d, rank or d + 2, generator=g, dtype=torch.float64)
    return torch.randn(b, d, generator=g, dtype=torch.float64), factor @ factor.mT


@pytest.mark.parametrize("d", DIMS)
def test_equals_pot_and_matrix_square_roots(gaussians, d):
    m, c = gaussians(4, d)
    found = gaussian_w2(m[:2], c[:2], m[2:], c[2:])
    for k in range(2):
        m1, c1, m2, c2 = (t.numpy() for t in (m[k], c[k], m[k + 2], c[k + 2]))
        root = scipy.linalg.sqrtm(c1).real
        by_roots = np.trace(c1 + c2 - 2 * scipy.linalg.sqrtm(root @ c2 @ root).real)
        assert found[k].item() == pytest.approx(np.sqrt(((m1 - m2) ** 2).sum() + by_roots), rel=1e-10)
        assert found[k].item() == pytest.approx(ot.gaussian.bures_wasserstein_distance(m1, m2, c1, c2), rel=1e-10)


@given(seeds, st.sampled_from(DIMS), st.sampled_from([None, 1]))
@settings(max_examples=25, deadline=None)
def test_metric_axioms(seed, d, rank):
    m, c = draw(3, d, seed, rank)
    w = torch.stack([gaussian_w2(m, c, m[k], c[k]) for k in range(3)])
    torch.testing.assert_close(w, w.T, rtol=1e-9, atol=1e-9)
    # a root of a rounding error of the squared distance is allowed where the covariance is singular
    assert w.diagonal().max() < (1e-12 if rank is None else 1e-6) * c.abs().max()
    assert w[0, 2] <= w[0, 1] + w[1, 2] + 1e-9


@given(seeds, st.sampled_from(DIMS), st.floats(0.1, 10), st.floats(-5, 5))
@settings(max_examples=25, deadline=None)
def test_scale_translation_and_rotation(seed, d, scale, shift):
    m, c = draw(2, d, seed)
    w = gaussian_w2(m[0], c[0], m[1], c[1])
    torch.testing.assert_close(gaussian_w2(m[0] * scale, c[0] * scale**2, m[1] * scale, c[1] * scale**2), w * scale)
    torch.testing.assert_close(gaussian_w2(m[0] + shift, c[0], m[1] + shift, c[1]), w)
    q = torch.linalg.qr(torch.randn(d, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64))[0]
    torch.testing.assert_close(gaussian_w2(m[0] @ q, q.T @ c[0] @ q, m[1] @ q, q.T @ c[1] @ q), w)


def test_closed_forms():
    eye = torch.eye(3, dtype=torch.float64)
    assert bures2(4 * eye, eye).item() == pytest.approx(3.0)  # commuting: sum (2 - 1)^2
    assert bures2(torch.tensor([[9.0]]), torch.tensor([[4.0]])).item() == pytest.approx(1.0)
    assert bures2(torch.diag(torch.tensor([1.0, 0.0])), torch.diag(torch.tensor([0.0, 1.0]))).item() == pytest.approx(2)
    assert bures2(0 * eye, 4 * eye).item() == pytest.approx(12.0)  # from a point


@pytest.mark.parametrize("d", DIMS)
@pytest.mark.parametrize("rank", [None, 1])
def test_matrix_equals_pairs(gaussians, d, rank, monkeypatch):
    monkeypatch.setattr("gde.distances.gaussian._CPU_BLOCK", 5 * d * d)  # many blocks, unequal at the border
    m, c = gaussians(7, d, 1, rank)
    m2, c2 = gaussians(12, d, 2, rank)
    pairs = gaussian_w2(m[:, None], c[:, None], m2[None], c2[None])
    torch.testing.assert_close(gaussian_w2_matrix(m, c, m2, c2), pairs, rtol=1e-7, atol=1e-7)
    within = gaussian_w2_matrix(m2, c2)
    torch.testing.assert_close(within, gaussian_w2(m2[:, None], c2[:, None], m2, c2), rtol=1e-7, atol=2e-7)
    assert torch.equal(within, within.T)
    assert torch.equal(within.diagonal(), torch.zeros(12, dtype=torch.float64))


@pytest.mark.parametrize("d", DIMS)
def test_gradient_by_finite_differences(gaussians, d):
    m, c = gaussians(4, d, 3)
    roots = torch.linalg.cholesky(c)
    inputs = tuple(t.clone().requires_grad_() for t in (m[:2], roots[:2], m[2:], roots[2:]))

    def distance(m1, l1, m2, l2):
        return gaussian_w2(m1, l1 @ l1.mT, m2, l2 @ l2.mT)

    assert torch.autograd.gradcheck(distance, inputs)
    broadcast = tuple(t.clone().requires_grad_() for t in (roots[:2, None], roots[2:]))
    assert torch.autograd.gradcheck(lambda a, b: bures2(a @ a.mT, b @ b.mT), broadcast)


def test_gradient_is_finite_where_eigenvalues_coincide_and_at_zero_distance():
    c1 = torch.eye(4, dtype=torch.float64).requires_grad_()
    gaussian_w2(torch.zeros(4), c1, torch.zeros(4), 4 * torch.eye(4)).backward()
    torch.testing.assert_close(c1.grad, -torch.eye(4, dtype=torch.float64) / 4)  # W2 = 2, d W2^2 = I - T = -I
    c1.grad = None
    gaussian_w2(torch.zeros(4), c1, torch.zeros(4), torch.eye(4)).backward()
    assert c1.grad.abs().max() == 0


@pytest.mark.parametrize("d", DIMS)
@pytest.mark.parametrize("rank", [None, 1])
def test_path_has_its_ends_and_constant_speed(gaussians, d, rank):
    m, c = gaussians(6, d, 4, rank)
    t = torch.tensor([0.0, 0.25, 0.6, 1.0])
    means, covs = gaussian_ot_path(m[:3], c[:3], m[3:], c[3:], t)
    assert means.shape == (3, 4, d)
    assert covs.shape == (3, 4, d, d)
    torch.testing.assert_close(covs[:, 0], c[:3])
    torch.testing.assert_close(covs[:, 3], c[3:])
    whole = gaussian_w2(m[:3], c[:3], m[3:], c[3:])
    between = gaussian_w2(means[:, :, None], covs[:, :, None], means[:, None], covs[:, None])
    expected = (t[:, None] - t).abs() * whole[:, None, None]
    torch.testing.assert_close(between, expected, rtol=1e-6, atol=1e-6)
    one_mean, one_cov = gaussian_ot_path(m[:3], c[:3], m[3:], c[3:], 0.25)
    torch.testing.assert_close(one_mean, means[:, 1])
    torch.testing.assert_close(one_cov, covs[:, 1])


def test_path_equals_the_formula_with_inverse(gaussians):
    m, c = gaussians(2, 4, 5)
    root = torch.from_numpy(scipy.linalg.sqrtm(c[0].numpy()).real)
    inverse = torch.linalg.inv(root)
    middle = torch.from_numpy(scipy.linalg.sqrtm((root @ c[1] @ root).numpy()).real)
    for t in (0.3, 0.8):
        inner = (1 - t) * c[0] + t * middle
        expected = inverse @ inner @ inner @ inverse
        torch.testing.assert_close(gaussian_ot_path(m[0], c[0], m[1], c[1], t)[1], expected)


def test_bad_input_is_named():
    m, c = torch.zeros(2, 3), torch.eye(3).expand(2, 3, 3)
    with pytest.raises(ValueError, match=r"covariances \(2, 3, 3\), \(2, 2\)"):
        gaussian_w2(m, c, m, torch.eye(2))
    with pytest.raises(ValueError, match="eigenvalue -1"):
        bures2(torch.diag(torch.tensor([1.0, -1.0])), torch.eye(2))
    with pytest.raises(ValueError, match="NaN"):
        bures2(torch.full((2, 2), torch.nan), torch.eye(2))
    with pytest.raises(ValueError, match="mean"):
        gaussian_w2(m + torch.nan, c, m, c)
    with pytest.raises(ValueError, match="only one of m2 and c2"):
        gaussian_w2_matrix(m, c, m)
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        gaussian_ot_path(m, c, m, c, 1.5)
