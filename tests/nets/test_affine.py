"""The Gaussian frame: likelihood against torch's, round trips, whitening of the samples it is read from."""

import pytest
import tiny
import torch
from torch.distributions import Independent, MultivariateNormal, Normal

from gde.nets.affine import FULL_UP_TO, GaussianFrame

LATENT = 3
DIMS = [pytest.param(1, id="d1"), pytest.param(4, id="full"), pytest.param(FULL_UP_TO + 1, id="diagonal")]


@pytest.fixture(params=DIMS)
def frame(request):
    """A frame whose every parameter takes part, in float64."""
    torch.manual_seed(0)
    frame = GaussianFrame(request.param, LATENT, 8).double()
    return tiny.moved(frame, 0.3)


def double(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def weighted_moments(x, w):
    """Mean (b, d) and covariance (b, d, d), set by set."""
    means, covariances = [], []
    for rows, weights in zip(x, w, strict=True):
        p = weights / weights.sum()
        mean = p @ rows
        means.append(mean)
        covariances.append(sum(q * torch.outer(r - mean, r - mean) for q, r in zip(p, rows, strict=True)))
    return torch.stack(means), torch.stack(covariances)


def test_likelihood_is_that_of_the_normal_distribution(frame):
    x, (location, scale) = double(5, 6, frame.dim), frame(double(5, LATENT))
    if frame.full:
        distribution = MultivariateNormal(location, scale_tril=scale[:, None])
    else:
        distribution = Independent(Normal(location, scale), 1)
    nll = frame.nll(frame.to_frame(x, location, scale), scale)
    torch.testing.assert_close(nll, -distribution.log_prob(x) / frame.dim)


def test_into_the_frame_and_back(frame):
    x, (location, scale) = double(5, 6, frame.dim), frame(double(5, LATENT))
    y = frame.to_frame(x, location, scale)
    torch.testing.assert_close(frame.from_frame(y, location, scale), x)
    torch.testing.assert_close(frame.to_frame(frame.from_frame(x, location, scale), location, scale), x)
    assert not torch.allclose(y, x)


def test_scale_is_lower_triangular_and_at_least_the_floor(frame):
    _, scale = frame(100 * double(50, LATENT))
    diagonal = scale.diagonal(dim1=1, dim2=2) if frame.full else scale
    assert diagonal.min() >= frame.floor
    if frame.full:
        assert torch.equal(scale, scale.tril())


def test_starts_linear_in_the_embedding():
    frame, z = GaussianFrame(3, LATENT, 8), torch.randn(4, LATENT)
    torch.testing.assert_close(frame(2 * z)[0] - frame(z)[0], frame(z)[0] - frame(0 * z)[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("masked", [False, True], ids=["all", "masked"])
@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
def test_samples_are_white_in_their_own_frame(frame, masked, weighted):
    """Mean 0, and covariance C of the samples becomes L^-1 C L^-T with L L^T = C + floor²."""
    n = 2 * FULL_UP_TO + 10
    x = 0.7 + double(3, n, frame.dim) @ double(frame.dim, frame.dim, seed=2)
    mask = torch.arange(n) < torch.tensor([[n], [n - 9], [FULL_UP_TO]]) if masked else None
    weight = double(3, n).exp() if weighted else None
    seen = x if mask is None else torch.where(mask[..., None], x, float("inf"))
    location, scale = frame.of_samples(seen, mask, weight)
    w = (torch.ones(3, n).double() if weight is None else weight) * (1 if mask is None else mask)
    mean, covariance = weighted_moments(x, w)
    torch.testing.assert_close(location[:, 0], mean)
    ridged = covariance + frame.floor**2 * torch.eye(frame.dim)
    if not frame.full:
        torch.testing.assert_close(scale[:, 0].square(), ridged.diagonal(dim1=1, dim2=2))
        return
    torch.testing.assert_close(scale @ scale.mT, ridged)
    mean, covariance = weighted_moments(frame.to_frame(x, location, scale), w)
    inverse = torch.linalg.inv(scale)
    white = torch.eye(frame.dim).double() - frame.floor**2 * inverse @ inverse.mT
    torch.testing.assert_close(mean, torch.zeros_like(mean), atol=1e-8, rtol=0)
    torch.testing.assert_close(covariance, white, atol=1e-7, rtol=1e-7)


@pytest.mark.parametrize("dim", DIMS)
def test_frame_of_one_sample_is_the_floor(dim):
    frame, x = GaussianFrame(dim, LATENT, 8), torch.randn(4, 1, dim)
    location, scale = frame.of_samples(x, None, None)
    torch.testing.assert_close(location, x)
    expected = frame.floor * (torch.eye(dim) if frame.full else torch.ones(1, dim))
    torch.testing.assert_close(scale, expected.expand_as(scale))
    assert torch.equal(frame.to_frame(x, location, scale), torch.zeros_like(x))


@pytest.mark.parametrize("dim", DIMS)
def test_a_constant_feature_is_finite(dim):
    frame, x = GaussianFrame(dim, LATENT, 8), torch.randn(4, 10, dim)
    x[..., 0] = 3.0
    location, scale = frame.of_samples(x, None, None)
    y = frame.to_frame(x, location, scale)
    assert torch.isfinite(y).all()
    assert y[..., 0].abs().max() < 1e-3


@pytest.mark.parametrize("spread", [1.0, 30.0, 1000.0])
def test_fewer_samples_than_features_are_finite_however_far_apart(spread):
    """Singular covariances in float32, whose rounding exceeds floor² from a spread of about ten."""
    for dim in (2, 5, FULL_UP_TO):
        line = torch.randn(16, 3, 1) * torch.randn(16, 1, dim) * spread
        frame = GaussianFrame(dim, LATENT, 8)
        location, scale = frame.of_samples(line, None, None)
        assert scale.dtype == torch.float32
        assert frame.to_frame(line, location, scale).isfinite().all()


def test_likelihood_has_the_right_gradients(frame):
    x, z = double(2, 3, frame.dim), double(2, LATENT, seed=3).requires_grad_()

    def nll(z):
        location, scale = frame(z)
        return frame.nll(frame.to_frame(x, location, scale), scale)

    assert torch.autograd.gradcheck(nll, (z,))


def test_maximum_likelihood_has_the_moments_of_any_distribution():
    """At L L^T = covariance and m = mean of skewed samples the gradient of the mean likelihood vanishes."""
    x = double(1, 50, 3).exp()
    frame = GaussianFrame(3, LATENT, 8, floor=0.0).double()
    location, scale = (p.requires_grad_() for p in frame.of_samples(x, None, None))
    frame.nll(frame.to_frame(x, location, scale), scale).mean().backward()
    assert location.grad.abs().max() < 1e-12
    assert scale.grad.tril().abs().max() < 1e-12
