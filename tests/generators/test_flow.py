"""Flow matching: orders of the solvers, exactness for normal distributions, the loss it minimises."""

import math

import pytest
import torch
from normal_target import MEAN, SD, posterior, with_answer

from gde.generators.flow import SOLVERS, Flow
from gde.sets.random import ShardRandom

LATENT = 4


def slope(x, y):
    """Least-squares slope of log y against log x."""
    x, y = (torch.tensor(v, dtype=torch.float64).log() for v in (x, y))
    return float(((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum())


def exact_flow(solver, evaluations):
    """A flow whose network is the true velocity from noise to N(MEAN, SD²)."""

    def velocity(y, t):
        sin, cos = (math.pi / 2 * t).sin(), (math.pi / 2 * t).cos()
        data, noise = posterior(y, sin.square())
        return cos * data - sin * noise

    return with_answer(
        Flow(Flow.Options(hidden=4, layers=1, solver=solver, evaluations=evaluations), dim=1, latent_dim=LATENT),
        velocity,
    )


@pytest.mark.parametrize("solver", SOLVERS)
def test_order_of_the_solver(solver):
    """Error of dy/dt = -2 y + t at t = 1 falls as dt^order; the exact end is (y0 + 1/4) exp(-2) + 1/4."""
    step, order = SOLVERS[solver]
    steps, errors = [8, 16, 32, 64, 128], []
    for n in steps:
        y, dt = torch.ones(1, dtype=torch.float64), torch.tensor(1 / n, dtype=torch.float64)
        for i in range(n):
            y = step(lambda y, t: -2 * y + t, y, i * dt, dt)
        errors.append(abs(float(y) - (1.25 * math.exp(-2) + 0.25)))
    assert slope(steps, errors) == pytest.approx(-order, abs=0.15)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("evaluations", [2, 4, 12])
def test_the_network_is_evaluated_as_often_as_said(solver, evaluations):
    times = []
    flow = Flow(Flow.Options(hidden=4, layers=1, solver=solver, evaluations=evaluations), dim=1, latent_dim=LATENT)
    with_answer(flow, lambda y, t: times.append(float(t)) or y).sample(torch.zeros(1, LATENT), 3)
    assert len(times) == evaluations
    assert times[0] == 0
    assert max(times) <= 1


@pytest.mark.parametrize("dim", [3, 40], ids=["full", "diagonal"])
@pytest.mark.parametrize("solver", SOLVERS)
def test_a_silent_network_gives_the_normal_distribution_of_the_frame(solver, dim):
    """Exactly, and with any number of evaluations: nothing is left for the solver to do."""
    torch.manual_seed(0)
    z = torch.randn(2, LATENT)
    flow = Flow(
        Flow.Options(hidden=8, layers=1, affine=True, solver=solver), dim=dim, latent_dim=LATENT
    )  # the output layer starts at zero
    location, scale = flow.frame(z)
    samples = []
    for evaluations in (2, 16):
        flow.n_steps = evaluations // SOLVERS[solver][1]
        samples.append(flow.sample(z, 4000, generator=torch.Generator().manual_seed(1)))
    assert torch.equal(*samples)
    noise = torch.randn(2, 4000, dim, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(samples[0], flow.frame.from_frame(noise, location, scale))
    covariance = scale @ scale.mT if flow.frame.full else torch.diag_embed(scale[:, 0].square())
    sd = covariance.diagonal(dim1=1, dim2=2).sqrt()
    for s in range(2):
        assert ((samples[0][s].mean(0) - location[s, 0]) / sd[s]).abs().max() < 5 / math.sqrt(4000)
        error = (samples[0][s].T.cov() - covariance[s]) / sd[s] / sd[s, :, None]
        assert error.abs().max() < 5 * math.sqrt(2 / 4000)


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_true_velocity_reproduces_a_normal_distribution(solver):
    """Samples are MEAN + SD noise for the same noise; the error falls with the order of the solver."""
    noise = torch.randn(1, 500, 1, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    evaluations, errors = [8, 16, 32, 64, 128], []
    for n in evaluations:
        x = exact_flow(solver, n).sample(
            torch.zeros(1, LATENT).double(), 500, generator=torch.Generator().manual_seed(3)
        )
        errors.append(float((x - (MEAN + SD * noise)).abs().max()))
    assert slope(evaluations, errors) == pytest.approx(-SOLVERS[solver][1], abs=0.2)
    assert errors[-1] < (0.05 if solver == "euler" else 2e-3)


def test_default_solver_has_mean_and_sd_of_a_normal_target():
    x = exact_flow("midpoint", 16).sample(torch.zeros(1, LATENT), 40_000, generator=torch.Generator().manual_seed(0))
    assert float(x.mean()) == pytest.approx(MEAN, abs=0.02 * SD)
    assert float(x.std()) == pytest.approx(SD, rel=0.02)


def test_the_true_velocity_has_the_least_loss():
    """The loss is a regression on the velocity: nothing beats the conditional expectation."""
    flow, x = exact_flow("midpoint", 2), MEAN + SD * torch.randn(8, 2000, 1)
    truth = flow.net.answer

    def loss():
        return float(flow.loss(x, torch.zeros(8, LATENT), rng=ShardRandom(0, 0)))

    least = loss()
    for answer in (
        lambda y, t: 0 * y,
        lambda y, t: truth(y, t) + 0.2,
        lambda y, t: 1.2 * truth(y, t),
        lambda y, t: truth(y, 0.9 * t),
    ):
        flow.net.answer = answer
        assert loss() > least + 0.01


def test_loss_of_a_silent_network_is_the_second_moment_of_the_velocity():
    """E |cos data - sin noise|² = (E data² + 1) / 2, averaged over a uniform time."""
    flow, x = Flow(Flow.Options(hidden=4, layers=1), dim=1, latent_dim=LATENT), MEAN + SD * torch.randn(64, 1000, 1)
    loss = flow.loss(x, torch.zeros(64, LATENT), rng=ShardRandom(1, 0)).detach()
    assert float(loss) == pytest.approx((MEAN**2 + SD**2 + 1) / 2, rel=0.02)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"solver": "rk4"}, "solver: found 'rk4', expected one of euler, midpoint, heun"),
        ({"solver": "euler", "evaluations": 0}, "evaluations: found 0, expected a positive multiple of 1 for euler"),
        ({"evaluations": 3}, "evaluations: found 3, expected a positive multiple of 2 for midpoint"),
        ({"solver": "heun", "evaluations": 1}, "evaluations: found 1, expected a positive multiple of 2 for heun"),
        ({"time_features": 7}, "time_features must be even, found 7"),
        ({"guidance": 1.5}, "guidance: found 1.5 with drop 0"),
    ],
    ids=lambda v: "-".join(map(str, v.values())) if isinstance(v, dict) else "",
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Flow(Flow.Options(**options), dim=2, latent_dim=LATENT)
