"""Laws of the estimators of P(X = 0), and of the model's error beside them."""

import numpy as np
import pytest
import torch
from fakes import context

from gde.evaluate.simulated.poisson import SIZES, blocks_of, evaluate_poisson, naive, posterior_mean, rao_blackwell
from gde.sets.families import build
from gde.sets.random import ShardRandom


class PlugIn:
    """Embeds the sample mean and generates Poisson counts of that rate: exp(-mean) of them are 0."""

    device = torch.device("cpu")

    def encode(self, x, *, mask=None, weight=None):
        return x.mean(1)

    def sample(self, z, n, *, generator=None):
        return torch.poisson(z[:, None].expand(-1, n, -1), generator=generator)


def test_rao_blackwell_is_unbiased_and_never_worse_than_the_share_of_zeros():
    x = np.random.default_rng(0).poisson(2.0, (40_000, 10))
    truth = np.exp(-2.0)
    for estimate in (naive(x), rao_blackwell(x.sum(1), 10)):
        assert estimate.mean() == pytest.approx(truth, abs=4 * estimate.std() / 200)
    assert rao_blackwell(x.sum(1), 10).var() < 0.6 * naive(x).var()


@pytest.mark.parametrize("n", [1, 10, 1000, 10000])
def test_the_posterior_mean_under_a_wide_law_is_that_of_a_gamma(n):
    total = np.array([0, 1, 5, 3 * n, 20 * n])
    expected = (n / (n + 1)) ** (total + 1)
    np.testing.assert_allclose(posterior_mean(total, n, 0.0, 1e5), expected, rtol=1e-6)


def test_the_posterior_mean_keeps_within_the_law():
    """Also where no rate of the law could have given the counts."""
    for n in SIZES:
        p = posterior_mean(np.array([0, n, 10 * n, 1000 * n]), n, 1.0, 10.0)
        assert (p <= np.exp(-1.0) * (1 + 1e-9)).all()
        assert (p >= np.exp(-10.0) * (1 - 1e-9)).all()
        assert (np.diff(p) <= 0).all()


def test_the_posterior_mean_has_the_least_error_under_the_law():
    rate = np.random.default_rng(0).uniform(1, 10, 20_000)
    x = np.random.default_rng(1).poisson(rate[:, None], (len(rate), 10))
    truth, total = np.exp(-rate), x.sum(1)
    best = np.square(posterior_mean(total, 10, 1.0, 10.0) - truth).mean()
    for other in (naive(x), rao_blackwell(total, 10), 0.9 * posterior_mean(total, 10, 1.0, 10.0)):
        assert best < np.square(other - truth).mean()


def test_points_go_where_zeros_are_hard_to_count():
    p = np.exp(-np.linspace(1, 10, 50))
    blocks = blocks_of(p, 20)
    assert blocks.sum() == pytest.approx(20 * 50, rel=0.05)
    assert (np.diff(blocks) <= 0).all()
    assert blocks.min() == 1
    assert (blocks_of(np.zeros(3), 20) == 1).all()


def test_the_noise_of_counting_is_taken_off():
    """The plug-in model's error is known without counting: that of exp(-mean)."""
    family = build("poisson")
    rate = family.draw(300, ShardRandom(0, 0))["rate"]
    options = {"poisson_draws": 1000, "poisson_replicates": 2, "bootstrap": 50}
    metrics, table = evaluate_poisson(context(options, model=PlugIn()), family, rate)
    p = np.exp(-rate[:, 0].double().numpy())
    for n in SIZES:
        metric = metrics[f"poisson/mse_n{n}"]
        rng = np.random.default_rng(n)
        mean = rng.poisson(n * np.repeat(rate[:, 0].numpy(), 400)) / n
        plug_in = np.square(np.exp(-mean) - np.repeat(p, 400)).mean()
        noise = (p * (1 - p)).mean() / 1000  # about 3e-5: the untreated value could not be below it
        assert metric["value"] == pytest.approx(plug_in, rel=0.25, abs=0.25 * noise), n
        assert metric["n"] == 600
        assert metric["ceiling"] == metric["baselines"]["bayes"] <= 1.05 * metric["baselines"]["rao_blackwell"]
        assert metric["baselines"]["rao_blackwell"] < metric["baselines"]["naive"]
    assert metrics["poisson/mse_n10000"]["value"] < 0.5 * noise
    assert len(table) == 4 * len(SIZES)
