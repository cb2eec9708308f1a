"""What the standardised copy of the samples and the skip of their moments do under a change of location and scale."""

import pytest
import torch
from enlarged import enlarge, skipped, summary

from gde.encoders.attention import Attention
from gde.encoders.base import CORRELATIONS_UP_TO, LOG_FLOOR
from gde.encoders.gnn import Gnn
from gde.encoders.median_gnn import MedianGnn
from gde.encoders.mlp import Mlp
from gde.encoders.resnet import ResNet
from gde.encoders.resnet_attention import ResNetAttention

DIM, LATENT = 3, 5
FACTOR, SHIFT = torch.tensor([0.5, 3.0, 10.0]), torch.tensor([-4.0, 0.0, 7.0])


@pytest.fixture(params=[Gnn, MedianGnn, ResNet, Mlp, Attention, ResNetAttention], ids=lambda kind: kind.__name__)
def make(request):
    def build(dim=DIM, **options):
        torch.manual_seed(0)
        return enlarge(request.param(request.param.Options(hidden=8, layers=2, **options), dim=dim, latent_dim=LATENT))

    return build


def blind_to_raw_samples(encoder):
    """Set the weights on the raw half of [x, (x - mean) / sd] to zero."""
    with torch.no_grad():
        for layer in (*getattr(encoder, "inputs", []), getattr(encoder, "first", getattr(encoder, "features", None))):
            weight = layer.weight if isinstance(layer, torch.nn.Linear) else layer[0].weight
            weight[:, :DIM] = 0.0
    return encoder


def test_the_standardised_half_ignores_location_and_positive_scale(make):
    encoder, x = blind_to_raw_samples(make(moments=True, skip=False)), torch.randn(4, 30, DIM)
    torch.testing.assert_close(encoder(FACTOR * x + SHIFT), encoder(x), rtol=1e-3, atol=1e-4)
    assert (encoder(-x) - encoder(x)).abs().max() > 0.01


def test_the_whole_embedding_does_not(make):
    """The raw half also enters: with `skip` off the embedding still follows location and scale."""
    encoder, x = make(moments=True, skip=False), torch.randn(4, 30, DIM)
    assert (encoder(x + SHIFT) - encoder(x)).abs().max() > 0.1
    assert (encoder(FACTOR * x) - encoder(x)).abs().max() > 0.1


def test_skip_adds_a_map_of_the_moments_alone(make):
    """The rest being blind to them, location and scale arrive through the skip."""
    encoder, x = blind_to_raw_samples(make(moments=True, skip=True)), torch.randn(4, 30, DIM)
    moved = FACTOR * x + SHIFT
    change = encoder(moved) - encoder(x)
    assert change.abs().min() > 0
    expected = torch.stack([skipped(encoder, b) - skipped(encoder, a) for a, b in zip(x, moved, strict=True)])
    torch.testing.assert_close(change, expected, rtol=1e-3, atol=1e-3)


def test_a_single_sample_has_the_floor_as_sd_and_zero_as_standardised_copy(make):
    x = torch.randn(4, 1, DIM)
    encoder = blind_to_raw_samples(make(moments=True, skip=True))
    assert torch.equal(summary(x[0])[DIM:], torch.tensor([LOG_FLOOR] * DIM + [1.0] * 3).log())
    rest = encoder(x) - torch.stack([skipped(encoder, s) for s in x])
    torch.testing.assert_close(rest, rest[:1].expand_as(rest))


@pytest.mark.parametrize(
    ("moments", "skip", "dim", "stages"),
    [
        (True, False, DIM, 2),
        (False, True, DIM, 3),
        (True, True, DIM, 3),
        (True, True, 1, 2),
        (True, True, CORRELATIONS_UP_TO + 1, 2),
        (False, False, DIM, 0),
    ],
)
def test_moments_cost_two_passes_and_correlations_one(make, moments, skip, dim, stages):
    encoder = make(moments=moments, skip=skip, dim=dim)
    assert encoder.n_stages == stages + encoder.n_layers
    x = torch.randn(2, 9, dim)
    torch.testing.assert_close(encoder(x.repeat(1, 2, 1)), encoder(x), rtol=1e-4, atol=1e-5)
