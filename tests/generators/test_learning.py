"""Short trainings: what has two modes is learned better than any normal distribution could be."""

import pytest
import torch

from gde import generators
from gde.distances.gaussian import gaussian_w2
from gde.generators.ddpm import Ddpm
from gde.generators.flow import Flow
from gde.nets.registry import build
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
    generator = kind(kind.Options(hidden=16, layers=2, **options), dim=1, latent_dim=LATENT)
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


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        pytest.param("flow", {}, id="flow"),
        pytest.param("ddpm_subset", {"features": 1, "sampler": "ddim", "evaluations": 25}, id="ddpm_subset"),
        pytest.param("cvae", {}, id="cvae"),
        *[pytest.param(kind, {}, id=kind) for kind in ("sliced_w2", "exact_ot", "sinkhorn", "mmd")],
        *[pytest.param(kind, {"affine": True}, id=f"{kind}-affine") for kind in ("sliced_w2", "cvae")],
        pytest.param("wormhole", {"points": 32, "pair_weight": 0.0}, id="wormhole"),
    ],
)
def test_every_kind_learns_how_the_embedding_sets_the_covariance(kind, options):
    """Normal laws whose parameters are the embedding; better than their average covariance at the true mean."""
    torch.manual_seed(0)
    sizes = {"hidden": 32, "layers": 2 if kind != "wormhole" else 1}
    generator = build(generators.REGISTRY, {"kind": kind} | sizes | options, dim=2, latent_dim=4)
    steps = 200
    optimizer = torch.optim.Adam(generator.parameters(), lr=5e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in range(steps):
        rng = ShardRandom(1, step)
        z, mean, root = normal_distributions(16, rng)
        optimizer.zero_grad()
        generator.loss(mean + rng.randn(16, 32, 2) @ root.mT, z, rng=ShardRandom(0, step)).backward()
        optimizer.step()
        schedule.step()
    z, mean, root = normal_distributions(100, ShardRandom(2, 0))
    x = generator.sample(z, 2000, generator=torch.Generator().manual_seed(3))
    centred = x - x.mean(1, keepdim=True)
    covariance, truth = centred.mT @ centred / 2000, root @ root.mT
    found = gaussian_w2(x.mean(1), covariance, mean[:, 0], truth).mean()
    control = gaussian_w2(mean[:, 0], truth.mean(0).expand_as(truth), mean[:, 0], truth).mean()
    assert found < 0.8 * control


def normal_distributions(b, rng):
    """Embeddings (b, 4), and the means (b, 1, 2) and triangular scales (b, 2, 2) that they stand for."""
    z = 2 * rng.rand(b, 4) - 1
    root = torch.diag_embed((1.2 * z[:, 2:]).exp())
    root[:, 1, 0] = z[:, 2] * z[:, 3]
    return z, z[:, None, :2], root
