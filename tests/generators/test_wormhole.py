"""The decoder of a fixed number of points: what it samples and what its two terms compare."""

import pytest
import torch

from gde.distances.exact import exact_w2
from gde.distances.sinkhorn import sinkhorn_w2
from gde.generators.wormhole import Wormhole, neighbours
from gde.sets.random import ShardRandom

DIM, LATENT = 2, 3


def make(**options):
    torch.manual_seed(0)
    return Wormhole(Wormhole.Options(**{"hidden": 8, "layers": 1, "points": 12} | options), dim=DIM, latent_dim=LATENT)


def draw(generator, z, n):
    return generator.sample(z, n, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("n", [1, 5, 12, 13, 24, 31])
def test_samples_are_the_points_each_as_often_as_the_others(n):
    generator, z = make(), torch.randn(4, LATENT)
    points, x = generator.decoder(z), draw(generator, z, n)
    for own, sampled in zip(points, x, strict=True):
        times = (sampled[:, None] == own).all(-1).sum(0)  # of each point
        assert int(times.sum()) == n
        assert int(times.max()) - int(times.min()) <= 1


def test_every_point_is_equally_likely_to_be_drawn():
    generator = make()
    z = torch.zeros(6000, LATENT)
    first = torch.cdist(draw(generator, z, 1)[:, 0], generator.decoder(z[:1])[0]).argmin(1)
    share = first.bincount(minlength=12) / 6000
    assert (share - 1 / 12).abs().max() < 4 * (1 / 12 / 6000) ** 0.5


def test_loss_is_sinkhorn_w2_plus_the_pair_term():
    x, z = torch.randn(4, 9, DIM), torch.randn(4, LATENT)
    plain, both = make(pair_weight=0.0), make(pair_weight=0.5)
    values = [g.loss(x, z, rng=ShardRandom(0, 0)) for g in (plain, both)]
    torch.testing.assert_close(values[0], sinkhorn_w2(plain.decoder(z), x).mean())
    other = [3, 0, 1, 2]
    gap = (z - z[other]).norm(dim=-1) - exact_w2(x, x[other]).float()
    torch.testing.assert_close(values[1] - values[0], 0.5 * gap.square().mean(), rtol=1e-4, atol=1e-5)


def test_pairs_stay_inside_their_shard():
    assert neighbours(6, 2, torch.device("cpu")).tolist() == [2, 0, 1, 5, 3, 4]
    assert neighbours(3, 3, torch.device("cpu")).tolist() == [0, 1, 2]


def test_pairs_see_masks_and_weights():
    x, z = torch.randn(4, 9, DIM), torch.randn(4, LATENT)
    mask = torch.arange(9) >= torch.tensor([[0], [8], [3], [5]])  # the real ones last
    value = make(pair_samples=2).loss(x, z, mask=mask, rng=ShardRandom(0, 0))
    moved = torch.where(mask[..., None], x, torch.nan)
    torch.testing.assert_close(make(pair_samples=2).loss(moved, z, mask=mask, rng=ShardRandom(0, 0)), value)
    weight = mask.float()
    same = make(pair_weight=8.0).loss(x, z, weight=weight, rng=ShardRandom(0, 0))
    order = torch.randperm(9)
    shuffled = make(pair_weight=8.0).loss(x[:, order], z, weight=weight[:, order], rng=ShardRandom(0, 0))
    torch.testing.assert_close(same, shuffled, rtol=1e-4, atol=1e-5)


def test_equal_embeddings_have_a_finite_gradient():
    z = torch.ones(4, LATENT, requires_grad=True)
    make().loss(torch.randn(4, 9, DIM), z, rng=ShardRandom(0, 0)).backward()
    assert z.grad.isfinite().all()


def test_impossible_parameters_are_refused():
    with pytest.raises(ValueError, match="points: found 0"):
        make(points=0)
    with pytest.raises(ValueError, match="heads: found 3"):
        make(heads=3)
    with pytest.raises(ValueError, match="pair_weight: found -1"):
        make(pair_weight=-1)
    with pytest.raises(ValueError, match="blur: found 0"):
        make(blur=0)
