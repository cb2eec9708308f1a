"""The variational autoencoder of sequences bounds its likelihood, and samples from it."""

import itertools

import pytest
import tiny
import torch
from scipy.stats import chisquare
from torch.distributions import Normal, kl_divergence

from gde.generators.dna_vae import DnaVae
from gde.nets.tokens import tokens_nll
from gde.sets.random import ShardRandom

LATENT = 3
ALL = torch.tensor([r for r in itertools.product((1, 2), (0, 1, 2), (0, 1, 2)) if r[1] or not r[2]])


def make(dim=3, vocabulary=2, code_dim=1, **options) -> DnaVae:
    torch.manual_seed(0)
    made = DnaVae(
        DnaVae.Options(hidden=8, layers=1, kernel=3, code_dim=code_dim, **options),
        dim=dim,
        latent_dim=LATENT,
        vocabulary=vocabulary,
    )
    return tiny.moved(made, 0.2)


def exact(made, z):
    """Log-likelihood of all 14 sequences by integrating the one-dimensional code out, float64."""
    grid = torch.linspace(-8, 8, 4001, dtype=torch.float64)
    weight = Normal(0.0, 1.0).log_prob(grid) + (grid[1] - grid[0]).log()
    rows = torch.zeros(len(grid), dtype=torch.long)
    logits = made.decode(grid[:, None].float(), z[rows], made.films(z, rows))
    each = -tokens_nll(logits[:, None].expand(-1, len(ALL), -1, -1), ALL.expand(len(grid), -1, -1)).double()
    return (each + weight[:, None]).logsumexp(0)


@torch.no_grad()
def test_the_bound_lies_below_the_likelihood_which_sums_to_one():
    made, z = make(), torch.randn(1, LATENT)
    likelihood = exact(made, z)
    assert float(likelihood.exp().sum()) == pytest.approx(1.0, abs=1e-4)
    noise, rows = torch.randn(4000, 1), torch.zeros(4000, dtype=torch.long)
    films, bound = made.films(z, rows), []
    for x in ALL:
        nll, kl = made.terms(x.expand(4000, 3), z[rows], films, noise)
        bound.append(-(nll + kl).double())
    bound = torch.stack(bound, 1)
    error = bound.std(0) / 4000**0.5
    assert (bound.mean(0) <= likelihood + 4 * error).all()


@torch.no_grad()
def test_samples_follow_the_likelihood():
    made, z, n = make(), torch.randn(1, LATENT), 20_000
    x = made.sample(z, n, generator=torch.Generator().manual_seed(0))[0].long()
    base = torch.tensor([9, 3, 1])
    counts = (x @ base).bincount(minlength=27)[ALL @ base].double()
    assert int(counts.sum()) == n
    expected = exact(made, z).exp()
    assert chisquare(counts.numpy(), (n * expected / expected.sum()).numpy()).pvalue > 1e-3


@torch.no_grad()
def test_divergence_is_in_nats():
    made = make(dim=12, vocabulary=5, code_dim=6)
    x, z = torch.randint(1, 6, (7, 12)), torch.randn(7, LATENT)
    films = made.films(z, torch.arange(7))
    mean, log_sd = made.encode(x, films)
    expected = kl_divergence(Normal(mean, log_sd.exp()), Normal(0.0, 1.0)).sum(-1)
    torch.testing.assert_close(made.terms(x, z, films, torch.randn(7, 6))[1], expected, rtol=1e-4, atol=1e-5)


def test_loss_is_the_bound_by_length():
    made = make(dim=12, vocabulary=5, code_dim=6)
    x, z = torch.randint(1, 6, (2, 5, 12), dtype=torch.uint8), torch.randn(2, LATENT)
    noise, rows = ShardRandom(0, 0).randn(2, 5, 6).flatten(0, 1), torch.tensor([0, 1]).repeat_interleave(5)
    nll, kl = made.terms(x.flatten(0, 1).long(), z[rows], made.films(z, rows), noise)
    torch.testing.assert_close(made.loss(x, z, rng=ShardRandom(0, 0)), (nll + kl).mean() / 12)
    half = make(dim=12, vocabulary=5, code_dim=6, beta=0.5)
    torch.testing.assert_close(half.loss(x, z, rng=ShardRandom(0, 0)), (nll + 0.5 * kl).mean() / 12)


def test_warmup_counts_training_calls_only():
    made = make(dim=12, vocabulary=5, warmup=4, beta=2.0)
    x, z = torch.ones(1, 2, 12, dtype=torch.uint8), torch.randn(1, LATENT)
    with torch.no_grad():
        made.loss(x, z)
        assert made.kl_weight() == 2.0
    assert int(made.calls) == 0
    assert [float(made.kl_weight()) for _ in range(5)] == [0.5, 1.0, 1.5, 2.0, 2.0]


@pytest.mark.parametrize(("dim", "layers"), [(1, 1), (5, 2), (8, 3), (12, 2), (129, 3)])
def test_any_length_fits(dim, layers):
    made = DnaVae(DnaVae.Options(hidden=8, layers=layers, code_dim=2), dim=dim, latent_dim=LATENT)
    x = made.sample(torch.randn(2, LATENT), 3)
    assert x.shape == (2, 3, dim)
    assert made.loss(x, torch.randn(2, LATENT)).isfinite()
