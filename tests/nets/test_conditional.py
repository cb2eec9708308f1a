"""The modulated network of the generators, and its features of time."""

import math

import pytest
import tiny
import torch
from torch.nn.functional import layer_norm, silu

from gde.nets.conditional import ConditionalMLP, FourierTime

DIM, LATENT, HIDDEN, LAYERS = 3, 5, 8, 2


@pytest.fixture
def net():
    torch.manual_seed(0)
    net = ConditionalMLP(DIM, LATENT, hidden=HIDDEN, layers=LAYERS, time_features=6)
    return tiny.moved(net, 0.3)


def test_output_is_zero_at_the_start():
    net = ConditionalMLP(DIM, LATENT, hidden=HIDDEN, layers=LAYERS, time_features=6)
    out = net(torch.randn(2, 4, DIM), torch.rand(2, 4), net.modulation(torch.randn(2, LATENT)))
    assert torch.equal(out, torch.zeros(2, 4, DIM))


def test_equals_its_formula(net):
    """h <- h + block(LayerNorm(h) (1 + scale(z)) + shift(z)), sample by sample."""
    y, t, z = torch.randn(2, 4, DIM), torch.rand(2, 4), torch.randn(2, LATENT)
    out = net(y, t, net.modulation(z))
    for s in range(2):
        film = net.film(silu(net.embed[0](z[s]))).view(LAYERS, 2, HIDDEN)
        for i in range(4):
            phase = math.pi * t[s, i] * torch.arange(1, 4)
            h = net.input(torch.cat([y[s, i], phase.cos(), phase.sin()]))
            for block, (scale, shift) in zip(net.blocks, film, strict=True):
                h = h + block(layer_norm(h, (HIDDEN,)) * (1 + scale) + shift)
            torch.testing.assert_close(out[s, i], net.output(h), rtol=1e-4, atol=1e-5)


def test_modulation_of_a_set_does_not_depend_on_time_or_on_other_sets(net):
    """So a solver may compute it once for all steps, and sets may be sampled in pieces."""
    y, z = torch.randn(4, 6, DIM), torch.randn(4, LATENT)
    once = net.modulation(z)
    for t in (0.0, 0.3, 1.0):
        per_step = net(y, torch.tensor(t), net.modulation(z))
        assert torch.equal(net(y, torch.tensor(t), once), per_step)
        alone = torch.cat([net(y[i : i + 1], torch.tensor(t), net.modulation(z[i : i + 1])) for i in range(4)])
        torch.testing.assert_close(alone, per_step, rtol=1e-4, atol=1e-5)


def test_one_time_for_all_is_that_time_for_each(net):
    y, modulation = torch.randn(2, 4, DIM), net.modulation(torch.randn(2, LATENT))
    torch.testing.assert_close(net(y, torch.tensor(0.4), modulation), net(y, torch.full((2, 4), 0.4), modulation))


def test_samples_do_not_see_each_other(net):
    y, t, modulation = torch.randn(2, 4, DIM), torch.rand(2, 4), net.modulation(torch.randn(2, LATENT))
    before = net(y, t, modulation)
    y[1, 2] += 1
    t[0, 3] = 1 - t[0, 3]
    changed = (net(y, t, modulation) != before).any(-1)
    assert changed.nonzero().tolist() == [[0, 3], [1, 2]]


def test_output_follows_sample_time_and_embedding(net):
    y = torch.randn(1, 1, DIM, requires_grad=True)
    t = torch.rand(1, 1, requires_grad=True)
    z = torch.randn(1, LATENT, requires_grad=True)
    net(y, t, net.modulation(z)).sum().backward()
    assert all(v.grad.abs().min() > 0 for v in (y, t, z))


def test_times_have_waves_of_period_two_and_less():
    """Half a wave over [0, 1] in the first feature: 0 and 1 differ, as they must for noise and data."""
    t = torch.rand(5, 7)
    features = FourierTime(6)(t)
    assert features.shape == (5, 7, 6)
    for k in range(3):
        torch.testing.assert_close(features[..., k], torch.cos(math.pi * (k + 1) * t), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(features[..., 3 + k], torch.sin(math.pi * (k + 1) * t), rtol=1e-4, atol=1e-5)
    ends = FourierTime(2)(torch.tensor([0.0, 1.0]))
    torch.testing.assert_close(ends, torch.tensor([[1.0, 0.0], [-1.0, 0.0]]), rtol=0, atol=1e-6)
    assert FourierTime(4)(torch.tensor(0.5)).shape == (4,)


def test_an_odd_number_of_time_features_is_refused():
    with pytest.raises(ValueError, match="time_features must be even, found 5"):
        FourierTime(5)
