"""Short trainings: what has two modes is learned better than any normal distribution could be."""

import pytest
import torch

from gde.generators.ddpm import Ddpm
from gde.generators.flow import Flow
from gde.sets.random import ShardRandom

LATENT = 2
CENTRE, WIDTH = torch.tensor([-0.5, 1.5]), 0.2  # of the modes, with weights 3/4 and 1/4: mean 0, variance 0.79


def modes(n, seed):
    g = torch.Generator().manual_seed(seed)
    which = (torch.rand(n, generator=g) < 0.25).long()
    return CENTRE[which] + WIDTH * torch.randn(n, generator=g)


def wasserstein(x, y):
    """W1 of two samples of one size on the line."""
    return float((x.sort().values - y.sort().values).abs().mean())


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        pytest.param(Flow, {}, id="flow"),
        pytest.param(Flow, {"affine": True}, id="flow-affine"),
        pytest.param(Ddpm, {"sampler": "ddim", "evaluations": 50}, id="ddpm"),
        pytest.param(Ddpm, {"sampler": "ddim", "evaluations": 50, "zero_terminal_snr": True}, id="ddpm-zero_snr"),
    ],
)
def test_training_beats_the_normal_distribution_with_the_true_moments(kind, options):
    torch.manual_seed(0)
    generator = kind(1, LATENT, hidden=16, layers=2, **options)
    z = torch.ones(1, LATENT)
    steps = 400
    optimizer = torch.optim.Adam(generator.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in range(steps):
        x = modes(512, 10 + step)[None, :, None]
        optimizer.zero_grad()
        generator.loss(x, z, rng=ShardRandom(0, step)).backward()
        optimizer.step()
        schedule.step()
    truth = modes(4000, 1)
    control = truth.mean() + truth.std() * torch.randn(4000, generator=torch.Generator().manual_seed(2))
    sampled = generator.sample(z, 4000, generator=torch.Generator().manual_seed(3)).flatten()
    assert wasserstein(sampled, truth) < 0.4 * wasserstein(control, truth)
