"""Layers of plain networks: what they compute, written out."""

import pytest
import torch
from torch import nn
from torch.nn.functional import silu

from gde.nets.mlp import mlp
from gde.nets.set_layer import MeanPooledMLP


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_mean_pooled_mlp_equals_the_mlp_of_the_concatenation(depth):
    layer = MeanPooledMLP(4, 6, depth)
    h, mean = torch.randn(3, 7, 4), torch.randn(3, 1, 4)
    plain = nn.Linear(8, 6)
    with torch.no_grad():
        plain.weight.copy_(torch.cat([layer.own.weight, layer.pooled.weight], 1))
        plain.bias.copy_(layer.own.bias)
    expected = plain(torch.cat([h, mean.expand(-1, 7, -1)], -1))
    linear = [m for m in layer.rest if isinstance(m, nn.Linear)]
    assert len(linear) == depth - 1
    for m in linear:
        expected = m(silu(expected))
    torch.testing.assert_close(layer(h, mean), expected)


@pytest.mark.parametrize("last", [False, True])
def test_mlp_is_linear_maps_with_silu_between(last):
    net, x = mlp([3, 5, 4, 2], last_activation=last), torch.randn(6, 3)
    a, b, c = (m for m in net if isinstance(m, nn.Linear))
    expected = c(silu(b(silu(a(x)))))
    torch.testing.assert_close(net(x), silu(expected) if last else expected)


def test_mlp_of_two_sizes_is_linear():
    net, x = mlp([3, 2]), torch.randn(2, 5, 3)
    torch.testing.assert_close(net(x[0] + x[1]) - net(x[0]) - net(x[1]) + net(0 * x[0]), torch.zeros(5, 2))
