"""What the standardised copy of the samples and the skip of mean and sd do under a change of location and scale."""

import pytest
import torch
from enlarged import enlarge

from gde.encoders.base import SD_FLOOR
from gde.encoders.gnn import Gnn
from gde.encoders.mlp import Mlp
from gde.encoders.resnet import ResNet

DIM, LATENT = 3, 5
FACTOR, SHIFT = torch.tensor([0.5, 3.0, 10.0]), torch.tensor([-4.0, 0.0, 7.0])


@pytest.fixture(params=[Gnn, ResNet, Mlp], ids=["gnn", "resnet", "mlp"])
def make(request):
    def build(**options):
        torch.manual_seed(0)
        return enlarge(request.param(DIM, LATENT, hidden=8, layers=2, **options))

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


def test_skip_adds_a_linear_map_of_the_mean_and_sd(make):
    """The rest being blind to them, location and scale arrive through the skip alone."""
    encoder, x = blind_to_raw_samples(make(moments=True, skip=True)), torch.randn(4, 30, DIM)
    moments = torch.cat([x.mean(1), x.std(1, correction=0)], 1)
    moved = torch.cat([FACTOR * moments[:, :DIM] + SHIFT, FACTOR * moments[:, DIM:]], 1)
    change = encoder(FACTOR * x + SHIFT) - encoder(x)
    torch.testing.assert_close(change, (moved - moments) @ encoder.skip.weight.T, rtol=1e-3, atol=1e-3)


def test_a_single_sample_has_the_floor_as_sd_and_zero_as_standardised_copy(make):
    x = torch.randn(4, 1, DIM)
    encoder = blind_to_raw_samples(make(moments=True, skip=True))
    moments = torch.cat([x[:, 0], torch.full((4, DIM), SD_FLOOR)], 1)
    rest = encoder(x) - moments @ encoder.skip.weight.T
    torch.testing.assert_close(rest, rest[:1].expand_as(rest))


@pytest.mark.parametrize(("moments", "skip", "stages"), [(True, False, 2), (False, True, 2), (False, False, 0)])
def test_moments_cost_two_passes_and_are_shared(make, moments, skip, stages):
    encoder = make(moments=moments, skip=skip)
    assert encoder.n_stages == stages + encoder.n_layers
    assert make(moments=True, skip=True).n_stages == 2 + encoder.n_layers
