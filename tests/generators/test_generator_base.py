"""What the generators share: times, classifier-free conditioning, the frame."""

import pytest
import tiny
import torch
from scipy.stats import kstest

from gde.generators.base import spread_times
from gde.generators.ddpm import Ddpm
from gde.generators.flow import Flow
from gde.sets.random import ShardRandom

DIM, LATENT = 2, 3
SMALL = {"hidden": 8, "layers": 1}


@pytest.fixture(params=[Flow, Ddpm], ids=["flow", "ddpm"])
def make(request):
    """make(**options): a generator whose every parameter takes part, the same for any options of sampling."""

    def build(**options):
        torch.manual_seed(0)
        options = SMALL | ({"steps": 10} if request.param is Ddpm else {"evaluations": 4}) | options
        generator = request.param(request.param.Options(**options), dim=DIM, latent_dim=LATENT)
        return tiny.moved(generator, 0.3)

    return build


def draw(generator, z):
    return generator.sample(z, 20, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("position", [0, 1, 7, 99])
def test_each_time_is_uniform(position):
    t = spread_times(4000, 100, ShardRandom(0, 0))[:, position]
    assert t.min() >= 0
    assert t.max() < 1
    assert kstest(t.numpy(), "uniform").pvalue > 1e-3


@pytest.mark.parametrize("n", [2, 3, 10, 57, 100, 1000, 5000])
def test_times_of_every_first_few_samples_are_even(n):
    """Star discrepancy of n golden-ratio points is at most (1 + log n) / n; of independent draws about 1 / sqrt(n)."""
    t = spread_times(20, 5000, ShardRandom(0, 0))[:, :n].double().sort(1).values
    i = torch.arange(n)
    discrepancy = torch.maximum((i + 1) / n - t, t - i / n).max(1).values
    assert discrepancy.max() < (1 + torch.tensor(float(n)).log()) / n


def test_guidance_of_one_is_the_conditional_prediction(make):
    z = torch.randn(3, LATENT)
    assert torch.equal(draw(make(drop=0.3), z), draw(make(drop=0.3, guidance=1.0), z))
    near = make(drop=0.3, guidance=1 + 1e-6)  # the formula that extrapolates, at its limit
    torch.testing.assert_close(draw(near, z), draw(make(drop=0.3), z), rtol=1e-3, atol=1e-3)


def test_guidance_of_zero_is_the_prediction_without_embedding(make):
    z, free = torch.randn(3, LATENT), make(drop=0.3, guidance=0.0)
    assert torch.equal(draw(free, z), draw(free, z + 1))
    hidden = free.null.detach().expand(3, -1)
    torch.testing.assert_close(draw(free, z), draw(make(drop=0.3), hidden), rtol=1e-4, atol=1e-4)


def test_guidance_extrapolates_the_prediction_linearly(make):
    y, z = torch.randn(3, 5, DIM), torch.randn(3, LATENT)
    t = torch.tensor(0.4)

    def predict(guidance):
        generator = make(drop=0.3, guidance=guidance)
        modulation = generator.net.modulation(z)
        free = generator.net.modulation(generator.null.expand(1, -1))
        return generator.predict(y, t, modulation if guidance == 1 else [modulation, free])

    torch.testing.assert_close(predict(2.0), 2 * predict(1.0) - predict(0.0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("drop", [0.25, 0.75])
def test_the_embedding_of_a_set_is_hidden_with_the_probability_said(make, drop):
    """Seen from the gradient: only hidden sets leave their embedding without one."""
    generator, z = make(drop=drop), torch.randn(2000, LATENT, requires_grad=True)
    generator.loss(torch.randn(2000, 2, DIM), z, rng=ShardRandom(0, 0)).backward()
    hidden = (z.grad == 0).all(1).float().mean()
    assert float(hidden) == pytest.approx(drop, abs=4 * (drop * (1 - drop) / 2000) ** 0.5)


def test_the_frame_sees_hidden_embeddings_too(make):
    generator, z = make(drop=0.5, affine=True), torch.randn(200, LATENT, requires_grad=True)
    generator.loss(torch.randn(200, 4, DIM), z, rng=ShardRandom(0, 0)).backward()
    assert (z.grad != 0).any(1).all()


def test_with_a_frame_the_path_loss_does_not_see_location_and_scale(make):
    """The network learns in the frame of the samples: x -> x A + c leaves its loss, up to the floor, as it was."""
    generator, z = make(affine=True, moment_weight=0.0), torch.randn(4, LATENT)
    x = torch.randn(4, 50, DIM)
    moved = x @ torch.tensor([[30.0, 0.0], [7.0, 20.0]]).T - 5  # lower triangular, as Cholesky factors are
    losses = [generator.loss(v, z, rng=ShardRandom(0, 0)) for v in (x, moved)]
    torch.testing.assert_close(*losses, rtol=1e-2, atol=0)


def test_moment_weight_scales_the_loss_of_the_frame(make):
    x, z = torch.randn(4, 9, DIM), torch.randn(4, LATENT)
    a, b, c = (make(affine=True, moment_weight=w).loss(x, z, rng=ShardRandom(0, 0)) for w in (0.0, 1.0, 3.0))
    torch.testing.assert_close(c - a, 3 * (b - a), rtol=1e-4, atol=0)


def test_a_loss_without_a_source_of_noise_follows_the_global_seed(make):
    generator, x, z = make(), torch.randn(4, 9, DIM), torch.randn(4, LATENT)

    def loss(seed):
        torch.manual_seed(seed)
        return float(generator.loss(x, z).detach())

    assert loss(0) == loss(0) != loss(1)
