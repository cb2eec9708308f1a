"""Every encoder against its formula with the same weights, written set by set with concatenations."""

import pytest
import torch
from enlarged import enlarge, linears, plain_mlp, skipped
from torch.nn.functional import silu

from gde.encoders.attention import Attention
from gde.encoders.gnn import Gnn
from gde.encoders.kernel_mean import KernelMean
from gde.encoders.mean import Mean
from gde.encoders.median_gnn import MedianGnn
from gde.encoders.mlp import Mlp
from gde.encoders.pca_mean import PcaMean
from gde.encoders.resnet import ResNet
from gde.encoders.resnet_attention import ResNetAttention

DIM, LATENT, HIDDEN = 3, 5, 8
VARIANTS = pytest.mark.parametrize(
    ("moments", "skip"),
    [(True, True), (True, False), (False, True), (False, False)],
    ids=["moments-skip", "moments", "skip", "plain"],
)


def of_concatenation(block, h, seen):
    """A MeanPooledMLP as the MLP of [h, seen]; h (n, f) of one set, seen (n, f) or (f,)."""
    both = torch.cat([h, seen.expand_as(h)], 1)
    first = both @ torch.cat([block.own.weight, block.pooled.weight], 1).T + block.own.bias
    rest = linears(block.rest)
    return plain_mlp(rest, silu(first)) if rest else first


def gnn(encoder, u):
    h = silu(plain_mlp(linears(encoder.first), u))
    for block in encoder.blocks:
        h = silu(of_concatenation(block, h, h.mean(0)))
    return encoder.out(h.mean(0))


def median_gnn(encoder, u):
    """Nine samples: torch's median is the one in the middle."""
    h = silu(plain_mlp(linears(encoder.first), u))
    for block in encoder.blocks:
        h = silu(of_concatenation(block, h, h.median(0).values))
    return encoder.out(h.median(0).values)


def resnet(encoder, u):
    h = encoder.norms[0](plain_mlp(linears(encoder.first), u) + encoder.inputs[0](u))
    for block, skip, norm in zip(encoder.blocks, encoder.inputs[1:], encoder.norms[1:], strict=True):
        h = norm(of_concatenation(block, h, h.mean(0)) + h + skip(u))
    return encoder.out(h.mean(0))


def attended(attention, h):
    """Full attention head by head."""
    u = attention.norm(h)
    key, value = attention.key_value(u).chunk(2, -1)
    parts = [t.chunk(attention.heads, -1) for t in (attention.query(u), key, value)]
    return torch.cat([(q @ k.T / q.shape[1] ** 0.5).softmax(1) @ v for q, k, v in zip(*parts, strict=True)], 1)


def attention(encoder, u):
    h = encoder.first(u)
    for heads, mix, block in zip(encoder.attentions, encoder.mixes, encoder.blocks, strict=True):
        h = h + mix(attended(heads, h))
        h = h + plain_mlp(linears(block), block[0](h))
    return encoder.out(encoder.norm(h).mean(0))


def resnet_attention(encoder, u):
    h = encoder.norms[0](plain_mlp(linears(encoder.first), u) + encoder.inputs[0](u))
    rest = zip(encoder.blocks, encoder.attentions, encoder.inputs[1:], encoder.norms[1:], strict=True)
    for block, heads, skip, norm in rest:
        h = norm(of_concatenation(block, h, attended(heads, h)) + h + skip(u))
    return encoder.out(h.mean(0))


def deep_sets(encoder, u):
    return plain_mlp(linears(encoder.out), plain_mlp(linears(encoder.features), u).mean(0))


@VARIANTS
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize(
    ("kind", "formula"),
    [
        (Gnn, gnn),
        (MedianGnn, median_gnn),
        (ResNet, resnet),
        (Mlp, deep_sets),
        (Attention, attention),
        (ResNetAttention, resnet_attention),
    ],
    ids=["gnn", "median_gnn", "resnet", "mlp", "attention", "resnet_attention"],
)
def test_encoder_equals_its_formula(kind, formula, layers, moments, skip):
    torch.manual_seed(0)
    encoder = enlarge(
        kind(kind.Options(hidden=HIDDEN, layers=layers, moments=moments, skip=skip), dim=DIM, latent_dim=LATENT)
    )
    sets = [1.5 * torch.randn(n, DIM) + torch.randn(DIM) for n in (9, 9, 9)]
    for x, z in zip(sets, encoder(torch.stack(sets)), strict=True):
        mean, sd = x.mean(0), x.std(0, correction=0)
        u = torch.cat([x, (x - mean) / sd], 1) if moments else x
        expected = formula(encoder, u)
        if skip:
            expected = expected + skipped(encoder, x)
        torch.testing.assert_close(z, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("depth", [1, 3])
def test_depth_is_the_number_of_linear_maps_of_each_mlp(depth):
    encoder = enlarge(
        ResNet(
            ResNet.Options(hidden=HIDDEN, layers=2, depth=depth, moments=False, skip=False), dim=DIM, latent_dim=LATENT
        )
    )
    assert len(linears(encoder.first)) == depth
    assert all(1 + len(linears(block.rest)) == depth for block in encoder.blocks)
    x = torch.randn(9, DIM)
    torch.testing.assert_close(encoder(x[None])[0], resnet(encoder, x), rtol=1e-4, atol=1e-5)


def test_mean_is_a_linear_map_of_the_mean():
    encoder, x = Mean(Mean.Options(), dim=DIM, latent_dim=LATENT), torch.randn(4, 9, DIM)
    torch.testing.assert_close(encoder(x), x.mean(1) @ encoder.out.weight.T + encoder.out.bias)


def test_mean_cannot_tell_sets_of_one_mean_apart_and_the_others_can():
    x = torch.randn(1, 9, DIM)
    wider = x.mean(1, keepdim=True) + 2 * (x - x.mean(1, keepdim=True))
    mean = Mean(Mean.Options(), dim=DIM, latent_dim=LATENT)
    torch.testing.assert_close(mean(wider), mean(x))
    for kind in (Gnn, MedianGnn, ResNet, Mlp, Attention, ResNetAttention):
        encoder = enlarge(kind(kind.Options(hidden=HIDDEN, moments=False, skip=False), dim=DIM, latent_dim=LATENT))
        assert (encoder(x) - encoder(wider)).abs().max() > 0.01
    wave = KernelMean(KernelMean.Options(hidden=HIDDEN), dim=DIM, latent_dim=LATENT)
    assert (wave(x) - wave(wider)).abs().max() > 0.01


def test_kernel_mean_is_a_linear_map_of_mean_cosines_and_sines():
    encoder, x = KernelMean(KernelMean.Options(hidden=HIDDEN), dim=DIM, latent_dim=LATENT), torch.randn(4, 9, DIM)
    phase = encoder.scale * torch.einsum("bnd,dh->bnh", x, encoder.frequency)
    features = torch.cat([phase.cos().mean(1), phase.sin().mean(1)], 1)
    torch.testing.assert_close(encoder(x), features @ encoder.out.weight.T + encoder.out.bias)


def test_kernel_mean_features_are_those_of_the_gaussian_kernel():
    """Their inner product is a Monte-Carlo estimate of exp(-s² |x - y|² / 2), error hidden**-0.5."""
    torch.manual_seed(0)
    encoder, x = KernelMean(KernelMean.Options(hidden=20_000), dim=DIM, latent_dim=LATENT), torch.randn(6, 1, DIM)
    features = encoder.layer(0, x, None, [])[:, 0]
    kernel = (-0.5 * (encoder.scale * torch.cdist(x[:, 0], x[:, 0])).square()).exp()
    torch.testing.assert_close(features @ features.T / 20_000, kernel, rtol=0, atol=0.03)


def test_pca_mean_is_a_linear_map_of_the_projected_mean():
    encoder, x = (
        PcaMean(PcaMean.Options(components=2), dim=DIM, latent_dim=LATENT),
        torch.randn(4, 9, DIM) @ torch.randn(DIM, DIM),
    )
    encoder.fit(x.flatten(0, 1))
    scores = (x.mean(1) - x.mean((0, 1))) @ encoder.axes
    torch.testing.assert_close(encoder(x), scores @ encoder.out.weight.T + encoder.out.bias, rtol=1e-4, atol=1e-5)


def test_gnn_with_medians_is_median_gnn():
    torch.manual_seed(0)
    named = MedianGnn(MedianGnn.Options(hidden=HIDDEN), dim=DIM, latent_dim=LATENT)
    torch.manual_seed(0)
    x = torch.randn(2, 8, DIM)
    option = Gnn(Gnn.Options(hidden=HIDDEN, pool="median"), dim=DIM, latent_dim=LATENT)
    option.load_state_dict(named.state_dict())
    assert torch.equal(option(x), named(x))
