"""Every encoder against its formula with the same weights, written set by set with concatenations."""

import pytest
import torch
from enlarged import enlarge
from torch import nn
from torch.nn.functional import silu

from gde.encoders.gnn import Gnn
from gde.encoders.mean import Mean
from gde.encoders.mlp import Mlp
from gde.encoders.resnet import ResNet

DIM, LATENT, HIDDEN = 3, 5, 8
VARIANTS = pytest.mark.parametrize(
    ("moments", "skip"),
    [(True, True), (True, False), (False, True), (False, False)],
    ids=["moments-skip", "moments", "skip", "plain"],
)


def linears(net):
    return [m for m in net if isinstance(m, nn.Linear)]


def plain_mlp(layers, h):
    for layer in layers[:-1]:
        h = silu(layer(h))
    return layers[-1](h)


def of_concatenation(block, h):
    """A MeanPooledMLP as the MLP of [h, mean h]; h (n, f) of one set."""
    both = torch.cat([h, h.mean(0).expand_as(h)], 1)
    first = both @ torch.cat([block.own.weight, block.pooled.weight], 1).T + block.own.bias
    rest = linears(block.rest)
    return plain_mlp(rest, silu(first)) if rest else first


def gnn(encoder, u):
    h = silu(plain_mlp(linears(encoder.first), u))
    for block in encoder.blocks:
        h = silu(of_concatenation(block, h))
    return encoder.out(h.mean(0))


def resnet(encoder, u):
    h = encoder.norms[0](plain_mlp(linears(encoder.first), u) + encoder.inputs[0](u))
    for block, skip, norm in zip(encoder.blocks, encoder.inputs[1:], encoder.norms[1:], strict=True):
        h = norm(of_concatenation(block, h) + h + skip(u))
    return encoder.out(h.mean(0))


def deep_sets(encoder, u):
    return plain_mlp(linears(encoder.out), plain_mlp(linears(encoder.features), u).mean(0))


@VARIANTS
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize(
    ("kind", "formula"), [(Gnn, gnn), (ResNet, resnet), (Mlp, deep_sets)], ids=["gnn", "resnet", "mlp"]
)
def test_encoder_equals_its_formula(kind, formula, layers, moments, skip):
    torch.manual_seed(0)
    encoder = enlarge(kind(DIM, LATENT, hidden=HIDDEN, layers=layers, moments=moments, skip=skip))
    sets = [1.5 * torch.randn(n, DIM) + torch.randn(DIM) for n in (9, 9, 9)]
    for x, z in zip(sets, encoder(torch.stack(sets)), strict=True):
        mean, sd = x.mean(0), x.std(0, correction=0)
        u = torch.cat([x, (x - mean) / sd], 1) if moments else x
        expected = formula(encoder, u)
        if skip:
            expected = expected + encoder.skip.weight @ torch.cat([mean, sd])
        torch.testing.assert_close(z, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("depth", [1, 3])
def test_depth_is_the_number_of_linear_maps_of_each_mlp(depth):
    encoder = enlarge(ResNet(DIM, LATENT, hidden=HIDDEN, layers=2, depth=depth, moments=False, skip=False))
    assert len(linears(encoder.first)) == depth
    assert all(1 + len(linears(block.rest)) == depth for block in encoder.blocks)
    x = torch.randn(9, DIM)
    torch.testing.assert_close(encoder(x[None])[0], resnet(encoder, x), rtol=1e-4, atol=1e-5)


def test_mean_is_a_linear_map_of_the_mean():
    encoder, x = Mean(DIM, LATENT), torch.randn(4, 9, DIM)
    torch.testing.assert_close(encoder(x), x.mean(1) @ encoder.out.weight.T + encoder.out.bias)


def test_mean_cannot_tell_sets_of_one_mean_apart_and_the_others_can():
    x = torch.randn(1, 9, DIM)
    wider = x.mean(1, keepdim=True) + 2 * (x - x.mean(1, keepdim=True))
    mean = Mean(DIM, LATENT)
    torch.testing.assert_close(mean(wider), mean(x))
    for kind in (Gnn, ResNet, Mlp):
        encoder = enlarge(kind(DIM, LATENT, hidden=HIDDEN, moments=False, skip=False))
        assert (encoder(x) - encoder(wider)).abs().max() > 0.01
