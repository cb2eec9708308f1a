"""The conditional VAE bounds a likelihood that is known, learns its noise and counts its warm-up."""

import math

import pytest
import torch

from gde.generators.cvae import Cvae
from gde.sets.random import ShardRandom


@pytest.fixture
def linear():
    """A decoder that is linear: x = W h + b + noise, so that log p(x) is that of a normal distribution."""
    torch.manual_seed(0)
    model = Cvae(Cvae.Options(hidden=8, layers=1, code_dim=2), dim=3, latent_dim=2)
    matrix, shift = torch.randn(3, 2), torch.randn(3)

    def decode(code, modulation, z):
        return code @ matrix.T + shift, torch.full((len(z), 1, 3), math.log(0.5))

    model.decode = decode
    distribution = torch.distributions.MultivariateNormal(shift, matrix @ matrix.T + 0.25 * torch.eye(3))
    return model, matrix, shift, distribution


def elbo(model, x, z, draws=200):
    terms = [model.terms(x, z, ShardRandom(0, i)) for i in range(draws)]
    return -torch.stack([a + b for a, b in terms]).mean(0)


@torch.no_grad()
def test_the_bound_lies_below_the_likelihood(linear):
    model, *_, distribution = linear
    x, z = distribution.sample((1, 40)), torch.randn(1, 2)
    assert (elbo(model, x, z) < distribution.log_prob(x) + 0.02).all()


@torch.no_grad()
def test_the_bound_is_tight_at_the_true_posterior(linear):
    model, matrix, shift, distribution = linear
    covariance = torch.linalg.inv(torch.eye(2) + matrix.T @ matrix / 0.25)
    # q has a diagonal covariance: rotate the code so that the posterior's is diagonal, which changes no likelihood
    _, axes = torch.linalg.eigh(covariance)
    matrix.copy_(matrix @ axes)
    covariance = torch.linalg.inv(torch.eye(2) + matrix.T @ matrix / 0.25)
    x, z = distribution.sample((1, 40)), torch.randn(1, 2)
    mean = (x - shift) @ (covariance @ matrix.T / 0.25).T
    log_sd = 0.5 * covariance.diagonal().log().expand_as(mean)
    model.posterior.forward = lambda y, modulation: torch.cat([mean, log_sd], -1)
    torch.testing.assert_close(elbo(model, x, z, 4000), distribution.log_prob(x), rtol=0, atol=0.06)


def test_observation_noise_is_learned_and_sampled():
    torch.manual_seed(0)
    model = Cvae(Cvae.Options(hidden=8, layers=1, code_dim=1), dim=1, latent_dim=1)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-2)
    z, sd = torch.tensor([[-1.0], [1.0]]), torch.tensor([0.3, 1.2])[:, None, None]
    for step in range(300):
        optimizer.zero_grad()
        rng = ShardRandom(1, step)
        model.loss(sd * rng.randn(2, 256, 1), z, rng=ShardRandom(0, step)).backward()
        optimizer.step()
    x = model.sample(z, 20_000, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(x.std(1)[:, 0], sd[:, 0, 0], rtol=0.12, atol=0)
    model.observation_noise = False
    without = model.sample(z, 20_000, generator=torch.Generator().manual_seed(0))
    assert (without.std(1) < 0.9 * x.std(1)).any()


def test_warm_up_counts_training_calls_only_and_is_saved():
    model = Cvae(Cvae.Options(hidden=8, layers=1, warmup=4, beta=2.0), dim=2, latent_dim=2)
    x, z = torch.randn(3, 5, 2), torch.randn(3, 2)
    assert [float(model.kl_weight()) for _ in range(6)] == [0.5, 1.0, 1.5, 2.0, 2.0, 2.0]
    with torch.no_grad():
        model.loss(x, z)
        assert model.kl_weight() == 2.0
    assert int(model.state_dict()["calls"]) == 6


def test_kl_of_the_prior_is_zero():
    model = Cvae(Cvae.Options(hidden=8, layers=1), dim=2, latent_dim=2)
    for p in model.posterior.output.parameters():
        torch.nn.init.zeros_(p)
    _, kl = model.terms(torch.randn(3, 5, 2), torch.randn(3, 2), ShardRandom(0, 0))
    assert not kl.any()
