"""The Hyena operator against its formulas in float64, its causality, and its cache against the whole operator."""

import math

import pytest
import torch

from gde.nets.hyena import (
    BLOCK,
    CausalConvolution,
    Hyena,
    HyenaBlock,
    HyenaCache,
    HyenaFilter,
    causal_convolution,
    fast_length,
)

HIDDEN, LENGTH = 6, 50
OPTIONS = {"width": 8, "features": 5, "frequency": 10.0}


def operator(length=LENGTH, **options) -> Hyena:
    torch.manual_seed(0)
    return Hyena(HIDDEN, length, **OPTIONS | options)


def direct(v, k):
    """y(t) = sum over s <= t of k(t - s) v(s), by loops; v (r, t, c), k (c, t), float64."""
    y = torch.zeros_like(v)
    for t in range(v.shape[1]):
        for s in range(t + 1):
            y[:, t] += k[:, t - s] * v[:, s]
    return y


@pytest.mark.parametrize("length", [1, 2, 7, 64])
def test_convolution_equals_the_sum(length):
    v, k = torch.randn(3, length, 4), torch.randn(4, length)
    torch.testing.assert_close(causal_convolution(v, k).double(), direct(v.double(), k.double()), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("length", [1, 2, 7, 12])
def test_gradients_of_the_convolution_are_those_of_finite_differences(length):
    v, k = (torch.randn(*shape, dtype=torch.float64, requires_grad=True) for shape in ((2, length, 3), (3, length)))
    assert torch.autograd.gradcheck(CausalConvolution.apply, (v, k))


def test_lengths_of_transforms():
    assert [fast_length(n) for n in (1, 2, 7, 24, 258, 1026)] == [2, 2, 8, 24, 270, 1080]


@pytest.mark.parametrize("features", [3, 5, 9])
@pytest.mark.parametrize(("channel", "position"), [(0, 0), (5, 0), (2, 7), (5, 49), (0, 49)])
def test_filter_is_its_formula(features, channel, position):
    """k(t) = MLP_sin(features(t)) (exp(-t |delta|) + 0.05), written out for one number."""
    torch.manual_seed(0)
    module = HyenaFilter(HIDDEN, LENGTH, **OPTIONS | {"features": features}).double()
    t = position / (LENGTH - 1)
    bands = (features - 1) // 2
    tones = [1e-4 + i * (bands - 1 - 1e-4) / max(bands - 1, 1) for i in range(bands)]
    angles = [2 * math.pi * position / LENGTH * tone for tone in tones]
    h = torch.tensor([t, *map(math.cos, angles), *(-math.sin(a) for a in angles)], dtype=torch.float64)
    for layer in module.layers:
        h = torch.sin(10.0 * (layer.weight @ h + layer.bias))
    slow, fast = math.log(0.01) / 1.5, math.log(0.01) / 0.3
    delta = slow + (fast - slow) * channel / (HIDDEN - 1)
    expected = (module.out.weight[channel] @ h).item() * (math.exp(-t * abs(delta)) + 0.05)
    # the positional features and decays are held in float32
    assert module(LENGTH)[channel, position].item() == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_a_filter_does_not_depend_on_how_much_of_it_is_used():
    module = operator().filter
    torch.testing.assert_close(module(20), module(LENGTH)[:, :20])
    with pytest.raises(ValueError, match="at most 50"):
        module(51)


def test_operator_is_its_formula():
    """[x0, x1, v] = depthwise causal conv3(W_in u); y = W_out (x0 (fftconv(v x1, k) + bias v x1)), in float64."""
    module = operator()
    u = torch.randn(2, 20, HIDDEN)
    m = operator().double()
    p = m.project(u.double())
    short = torch.zeros_like(p)
    for t in range(20):
        for tap in range(3):
            if t - 2 + tap >= 0:
                short[:, t] += m.short_weight[:, tap] * p[:, t - 2 + tap]
    x0, x1, v = (short + m.short_bias).split(HIDDEN, -1)
    y = direct(v * x1, module.filter(20).double()) + m.bias * v * x1
    torch.testing.assert_close(module(u).double(), m.out(x0 * y), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("position", [0, 1, 17, 49])
def test_nothing_before_a_change_changes(position):
    block = HyenaBlock(HIDDEN, LENGTH, **OPTIONS)
    u = torch.randn(2, LENGTH, HIDDEN)
    other = u.clone()
    other[:, position, 0] += 3.0
    before, after = (block(x, (None, None)) for x in (u, other))
    assert (before - after)[:, :position].abs().sum() < 1e-4  # the rounding of the transform
    assert ((before - after)[:, position:].abs().amax((0, 2)) > 1e-5).all()  # and everything later does


@pytest.mark.parametrize("length", [1, 2, BLOCK, BLOCK + 1, LENGTH])
def test_cached_steps_equal_the_whole(length):
    module = operator()
    u = torch.randn(3, length, HIDDEN)
    with torch.no_grad():
        cache = HyenaCache(module, 3, length)
        steps = torch.stack([cache.step(u[:, t]) for t in range(length)], 1)
        torch.testing.assert_close(steps, module(u), rtol=1e-5, atol=1e-5)


def test_a_cache_may_be_longer_than_what_is_drawn():
    module = operator()
    u = torch.randn(3, 20, HIDDEN)
    with torch.no_grad():
        cache = HyenaCache(module, 3, LENGTH)
        steps = torch.stack([cache.step(u[:, t]) for t in range(20)], 1)
        torch.testing.assert_close(steps, module(u), rtol=1e-5, atol=1e-5)


def test_filters_are_float32_in_half_precision():
    module = operator()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(module.filter(LENGTH), operator().filter(LENGTH))
        assert causal_convolution(torch.randn(1, 4, 6).bfloat16(), module.filter(4)).dtype == torch.float32


@pytest.mark.parametrize("features", [1, 4])
def test_features_are_odd(features):
    with pytest.raises(ValueError, match=f"filter_features: found {features}"):
        operator(features=features)
