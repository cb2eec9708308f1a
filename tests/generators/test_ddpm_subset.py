"""A subset of the features estimates the loss over all of them without bias."""

import pytest
import torch

from gde.generators.ddpm import Ddpm
from gde.generators.ddpm_subset import DdpmSubset
from gde.sets.random import ShardRandom

OPTIONS = {"hidden": 8, "layers": 1, "steps": 20}


def pair(features, dim=6):
    torch.manual_seed(0)
    subset = DdpmSubset(DdpmSubset.Options(features=features, **OPTIONS), dim=dim, latent_dim=3)
    with torch.no_grad():
        subset.net.output.weight.normal_()
    whole = Ddpm(Ddpm.Options(**OPTIONS), dim=dim, latent_dim=3)
    whole.load_state_dict(subset.state_dict())
    return subset, whole


@torch.no_grad()
def test_the_mean_over_subsets_is_the_whole_loss():
    subset, whole = pair(2)
    x, z = torch.randn(4, 50, 6), torch.randn(4, 3)
    found = torch.tensor([float(subset.loss(x, z, rng=ShardRandom(0, i, shards=2))) for i in range(600)])
    wanted = torch.tensor([float(whole.loss(x, z, rng=ShardRandom(0, i, shards=2))) for i in range(600)])
    difference = found - wanted  # the same noise and times
    assert difference.abs().max() > 0.01
    assert difference.mean().abs() < 4 * difference.std() / 600**0.5


@pytest.mark.parametrize("features", [6, 100])
def test_all_features_are_the_whole_loss(features):
    subset, whole = pair(features)
    x, z = torch.randn(4, 9, 6), torch.randn(4, 3)
    losses = [g.loss(x, z, rng=ShardRandom(0, 1)) for g in (subset, whole)]
    torch.testing.assert_close(*losses)


def test_a_step_touches_the_chosen_outputs_only():
    subset, _ = pair(2)
    subset.loss(torch.randn(4, 9, 6), torch.randn(4, 3), rng=ShardRandom(0, 1)).backward()
    assert int((subset.net.output.weight.grad.abs().sum(1) > 0).sum()) == 2


def test_impossible_subsets_are_refused():
    with pytest.raises(ValueError, match="features: found 0, expected at least 1"):
        DdpmSubset(DdpmSubset.Options(features=0, **OPTIONS), dim=6, latent_dim=3)
