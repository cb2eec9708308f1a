"""Diffusion: its schedule and posterior against the papers, exact sampling of a normal target."""

import math
from itertools import pairwise

import pytest
import torch
from normal_target import MEAN, SD, posterior, with_answer

from gde.generators.ddpm import Ddpm
from gde.sets.random import ShardRandom

LATENT = 4
TO_NOISE = {"steps": 400, "beta_end": 0.05}  # ends with a signal of 4e-5, as the 1000 steps of Ho et al. do


def small(**options):
    return Ddpm(Ddpm.Options(hidden=4, layers=1, **options), dim=1, latent_dim=LATENT)


def exact_ddpm(**options):
    """A diffusion whose network is the true noise (or velocity) for data ~ N(MEAN, SD²)."""
    ddpm = small(**options)

    def answer(y, t):
        a = ddpm.signal[(t * ddpm.n_steps).round().long() - 1]
        data, noise = posterior(y, a)
        return a.sqrt() * noise - (1 - a).sqrt() * data if ddpm.predict_velocity else noise

    return with_answer(ddpm, answer)


def draw(ddpm, n=8000, seed=0):
    return ddpm.sample(torch.zeros(1, LATENT), n, generator=torch.Generator().manual_seed(seed))


def test_schedule_is_the_product_of_linear_betas():
    signal, product = small(steps=30, beta_start=0.001, beta_end=0.1).signal, 1.0
    for k in range(30):
        product *= 1 - (0.001 + (0.1 - 0.001) * k / 29)
        assert float(signal[k]) == pytest.approx(product, rel=1e-6)


def test_zero_terminal_snr_ends_in_pure_noise_and_keeps_the_first_step():
    plain, rescaled = small().signal, small(zero_terminal_snr=True).signal
    assert rescaled[-1] == 0
    torch.testing.assert_close(rescaled[0], plain[0])
    assert (rescaled.diff() < 0).all()
    assert (rescaled[1:] < plain[1:]).all()


@pytest.mark.parametrize("zero_terminal_snr", [False, True])
def test_steps_are_those_of_the_posterior(zero_terminal_snr):
    """Ho et al. 2020, equation 7: y_{t-1} ~ N(mu(y_t, data), beta_tilde), and the last step is its mean.

    Data is what the network's answer implies; the answer here is an arbitrary function.
    """
    steps, seen = 20, []
    ddpm = small(steps=steps, beta_end=0.2, zero_terminal_snr=zero_terminal_snr)

    def answer(y, t):
        seen.append(y)
        return 0.5 * y.cos() - t

    end = draw(with_answer(ddpm, answer), 50, seed=7).double()
    generator = torch.Generator().manual_seed(7)
    bar = torch.cat([torch.ones(1), ddpm.signal]).double()  # alpha-bar of steps 0..T
    torch.testing.assert_close(seen[0], torch.randn(1, 50, 1, generator=generator))
    assert len(seen) == steps
    for t, y, after in zip(range(steps, 0, -1), seen, [*seen[1:], end], strict=True):
        y, alpha = y.double(), bar[t] / bar[t - 1]
        out = 0.5 * y.cos() - t / steps
        if zero_terminal_snr:
            data = bar[t].sqrt() * y - (1 - bar[t]).sqrt() * out
        else:
            data = (y - (1 - bar[t]).sqrt() * out) / bar[t].sqrt()
        mean = bar[t - 1].sqrt() * (1 - alpha) / (1 - bar[t]) * data
        mean = mean + alpha.sqrt() * (1 - bar[t - 1]) / (1 - bar[t]) * y
        beta_tilde = (1 - bar[t - 1]) / (1 - bar[t]) * (1 - alpha)
        fresh = torch.randn(1, 50, 1, generator=generator).double() if t > 1 else 0.0
        torch.testing.assert_close(after.double(), mean + beta_tilde.sqrt() * fresh, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(TO_NOISE, id="ancestral"),
        pytest.param({"zero_terminal_snr": True}, id="ancestral-zero_snr"),
        pytest.param(TO_NOISE | {"sampler": "ddim"}, id="ddim"),
        pytest.param(TO_NOISE | {"sampler": "ddim", "evaluations": 100}, id="ddim-100"),
        pytest.param({"sampler": "ddim", "zero_terminal_snr": True}, id="ddim-zero_snr"),
    ],
)
def test_the_true_answer_reproduces_a_normal_distribution(options):
    x, n = draw(exact_ddpm(**options)), 8000
    assert float(x.mean()) == pytest.approx(MEAN, abs=SD * (4 / math.sqrt(n) + 0.01))
    assert float(x.std()) == pytest.approx(SD, rel=4 / math.sqrt(2 * n) + 0.02)


def test_ddim_transports_noise_and_converges_in_evaluations():
    """Without noise the map is MEAN + s noise with one s; |s - SD| falls as 1 / evaluations."""
    noise = torch.randn(1, 500, 1, generator=torch.Generator().manual_seed(0))
    errors = []
    for evaluations in (10, 20, 40, 80):
        x = draw(exact_ddpm(sampler="ddim", evaluations=evaluations, zero_terminal_snr=True), 500)
        s = ((x - MEAN) / noise).flatten()
        assert float(s.std()) < 1e-3
        errors.append(abs(float(s.median()) - SD))
    assert all(1.6 < a / b < 2.6 for a, b in pairwise(errors))


def test_without_pure_noise_at_the_end_the_mean_is_biased():
    """Sampling starts at N(0, 1), but step T has mean sqrt(signal) MEAN: the end is off by about SD times that.

    The default schedule has sqrt(signal_T) = 0.13; zero_terminal_snr or more noise removes the bias (Lin et al. 2024).
    """
    ddpm = exact_ddpm(sampler="ddim")
    a = float(ddpm.signal[-1])
    assert math.sqrt(a) == pytest.approx(0.133, abs=0.001)
    bias = -SD * math.sqrt(a) * MEAN / math.sqrt(a * SD**2 + 1 - a)
    noise = torch.randn(1, 8000, 1, generator=torch.Generator().manual_seed(0))
    x = draw(ddpm)
    assert float(x.mean() - SD * noise.mean()) == pytest.approx(MEAN + bias, abs=0.01 * SD)


@pytest.mark.parametrize("evaluations", [1, 2, 7, 20])
def test_ddim_takes_the_evaluations_asked_for_from_the_last_step_to_the_first(evaluations):
    times = []
    ddpm = small(steps=20, sampler="ddim", evaluations=evaluations)
    draw(with_answer(ddpm, lambda y, t: times.append(round(float(t) * 20)) or y), 3)
    assert len(set(times)) == evaluations
    assert times == sorted(times, reverse=True)
    assert times[0] == 20
    assert evaluations == 1 or times[-1] == 1


@pytest.mark.parametrize("sampler", ["ancestral", "ddim"])
def test_noise_is_drawn_in_ancestral_sampling_only(sampler):
    ddpm, generator = small(steps=10, sampler=sampler), torch.Generator().manual_seed(0)
    ddpm.sample(torch.zeros(1, LATENT), 5, generator=generator)
    other = torch.Generator().manual_seed(0)
    for _ in range(10 if sampler == "ancestral" else 1):
        torch.randn(1, 5, 1, generator=other)
    assert torch.equal(generator.get_state(), other.get_state())


@pytest.mark.parametrize("zero_terminal_snr", [False, True])
def test_the_true_answer_has_the_least_loss(zero_terminal_snr):
    ddpm, x = exact_ddpm(zero_terminal_snr=zero_terminal_snr), MEAN + SD * torch.randn(8, 2000, 1)
    truth = ddpm.net.answer

    def loss():
        return float(ddpm.loss(x, torch.zeros(8, LATENT), rng=ShardRandom(0, 0)))

    least = loss()
    for answer in (lambda y, t: 0 * y, lambda y, t: truth(y, t) + 0.2, lambda y, t: 0.8 * truth(y, t)):
        ddpm.net.answer = answer
        assert loss() > least + 0.01


@pytest.mark.parametrize("zero_terminal_snr", [False, True])
def test_training_and_sampling_tell_the_network_the_same_time_for_the_same_noise(zero_terminal_snr):
    """Step k of T has time k / T and sd sqrt(1 - signal_k) around data of 0, at every k = 1..T."""
    seen = []
    ddpm = small(steps=10, beta_end=0.5, zero_terminal_snr=zero_terminal_snr)
    with_answer(ddpm, lambda y, t: seen.append((y, t.expand_as(y))) or y)
    ddpm.loss(torch.zeros(4, 10_000, 1), torch.zeros(4, LATENT), rng=ShardRandom(0, 0))
    y, t = (v.flatten() for v in seen[0])
    step = (10 * t).round().long()
    assert step.unique().tolist() == list(range(1, 11))
    for k in range(1, 11):
        assert float(y[step == k].std()) == pytest.approx(float((1 - ddpm.signal[k - 1]).sqrt()), rel=0.06)


def test_loss_of_a_silent_network_is_the_variance_of_the_noise():
    loss = small().loss(torch.randn(64, 1000, 1), torch.zeros(64, LATENT), rng=ShardRandom(1, 0)).detach()
    assert float(loss) == pytest.approx(1, rel=0.02)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sampler": "euler"}, "sampler: found 'euler', expected ancestral or ddim"),
        ({"evaluations": 5}, "evaluations: found 5, expected null"),
        ({"sampler": "ddim", "evaluations": 0}, "evaluations: found 0"),
        ({"sampler": "ddim", "evaluations": 401}, "evaluations: found 401, expected null, or 1 to 400"),
        ({"steps": 1}, "steps: found 1, expected at least 2"),
        ({"beta_start": 0.0}, "found 0.0, 0.02"),
        ({"beta_end": 1.0}, "found 0.0001, 1.0"),
        ({"beta_start": 0.1}, "found 0.1, 0.02"),
        ({"guidance": 0.0}, "guidance: found 0.0 with drop 0"),
    ],
    ids=lambda v: "-".join(map(str, v.values())) if isinstance(v, dict) else "",
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Ddpm(Ddpm.Options(**options), dim=2, latent_dim=LATENT)
