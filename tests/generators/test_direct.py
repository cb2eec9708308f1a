"""Direct generators: their noise, their frame, and what their losses compare."""

import pytest
import tiny
import torch

from gde.distances.exact import exact_w2
from gde.distances.mmd import median_bandwidth, mmd
from gde.distances.sinkhorn import sinkhorn_w2
from gde.distances.sliced import sliced_w2
from gde.generators.direct import balance
from gde.generators.exact_ot import ExactOt
from gde.generators.mmd import Mmd
from gde.generators.sinkhorn import Sinkhorn
from gde.generators.sliced_w2 import SlicedW2
from gde.sets.random import ShardRandom

DIM, LATENT = 2, 3
KINDS = {"sliced_w2": SlicedW2, "exact_ot": ExactOt, "sinkhorn": Sinkhorn, "mmd": Mmd}
kinds = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


def make(kind, dim=DIM, **options):
    """A generator whose every parameter takes part."""
    torch.manual_seed(0)
    generator = kind(kind.Options(**{"hidden": 8, "layers": 1, "noise_dim": 4} | options), dim=dim, latent_dim=LATENT)
    return tiny.moved(generator, 0.3)


def loss(generator, x, z, seed=0, **options):
    return generator.loss(x, z, rng=ShardRandom(seed, 0), **options)


@pytest.mark.parametrize("n", [16, 17, 64, 65])
def test_balanced_noise_has_exact_moments(n):
    noise = balance(ShardRandom(0, 0).randn(5, n, 4))
    torch.testing.assert_close(noise.mean(1), torch.zeros(5, 4), rtol=0, atol=1e-5)
    torch.testing.assert_close(noise.mT @ noise / n, torch.eye(4).expand(5, 4, 4), rtol=0, atol=1e-4)
    if n % 2 == 0:
        torch.testing.assert_close(noise[:, : n // 2], -noise[:, n // 2 :], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("n", [1, 2, 3, 15])
def test_noise_of_few_points_is_centred_only(n):
    noise = balance(ShardRandom(0, 0).randn(5, n, 4))
    assert noise.isfinite().all()
    torch.testing.assert_close(noise.mean(1), torch.zeros(5, 4), rtol=0, atol=1e-6)


def test_whitening_never_meets_a_singular_covariance():
    noise = balance(ShardRandom(0, 0).randn(20_000, 8, 2))
    assert noise.isfinite().all()
    assert noise.abs().max() <= 8**0.5 + 1e-3  # n points of variance 1


def test_balanced_noise_keeps_the_shape_of_a_normal_law():
    """Of many points, each coordinate stays standard normal: fourth moment 3."""
    noise = balance(ShardRandom(0, 0).randn(50, 2000, 4))
    assert float(noise.pow(4).mean()) == pytest.approx(3.0, abs=0.03)


@kinds
def test_affine_generates_its_frame_before_the_network_learns(kind):
    """The output layer starts at zero: samples are normal with location m(z) and scale L(z)."""
    torch.manual_seed(0)
    generator = kind(kind.Options(hidden=8, layers=1, noise_dim=4, affine=True), dim=DIM, latent_dim=LATENT)
    z = torch.randn(2, LATENT)
    x = generator.sample(z, 40_000, generator=torch.Generator().manual_seed(0))
    location, scale = generator.frame(z)
    torch.testing.assert_close(x.mean(1), location[:, 0], rtol=0, atol=0.01)
    centred = x - x.mean(1, keepdim=True)
    torch.testing.assert_close(centred.mT @ centred / 40_000, scale @ scale.mT, rtol=0.05, atol=1e-3)


@kinds
def test_moment_weight_scales_a_likelihood(kind):
    x, z = torch.randn(4, 9, DIM), torch.randn(4, LATENT)
    a, b, c = (loss(make(kind, affine=True, moment_weight=w), x, z) for w in (0.0, 1.0, 3.0))
    torch.testing.assert_close(c - a, 3 * (b - a), rtol=1e-4, atol=1e-5)


@kinds
def test_loss_is_the_distance_to_what_is_generated(kind, monkeypatch):
    """The points of the loss, seen from inside, and the public distance between them and the set."""
    seen = []
    generator, x, z = make(kind, moment_weight=0.0), torch.randn(3, 20, DIM), torch.randn(3, LATENT)
    inner = generator.distance
    monkeypatch.setattr(generator, "distance", lambda y, *rest: (seen.append((y, inner(y, *rest))), seen[0][1])[1])
    value = loss(generator, x, z)
    y, per_set = seen[0]
    assert y.shape == x.shape
    torch.testing.assert_close(value, per_set.mean())
    if kind is Mmd:  # less the mean over pairs of real samples
        h = median_bandwidth(x)
        own = torch.stack([torch.exp(-torch.cdist(s, s).square() / (2 * v**2)) for s, v in zip(x, h, strict=True)])
        own = (own.sum((1, 2)) - 20) / (20 * 19)
        torch.testing.assert_close(per_set + own, mmd(y, x, h), rtol=1e-4, atol=1e-5)
    else:
        expected = {ExactOt: exact_w2, Sinkhorn: sinkhorn_w2, SlicedW2: lambda y, x: sliced_w2(y, x, 2000)}[kind](y, x)
        rtol = 0.15 if kind is SlicedW2 else 1e-5
        torch.testing.assert_close(per_set, expected.float(), rtol=rtol, atol=0)


@kinds
def test_what_stands_behind_the_mask_does_not_matter(kind):
    generator, x, z = make(kind), torch.randn(1, 6, DIM), torch.randn(1, LATENT)
    mask = torch.arange(6)[None] < 4
    replaced = torch.where(mask[..., None], x, 50.0)
    torch.testing.assert_close(loss(generator, x, z, mask=mask), loss(generator, replaced, z, mask=mask))


@pytest.mark.parametrize("kind", [SlicedW2, ExactOt, Sinkhorn], ids=["sliced_w2", "exact_ot", "sinkhorn"])
def test_weights_are_multiplicities_of_the_real_samples(kind):
    """Not so for `mmd`, whose bandwidth is a median over samples, whatever they weigh."""
    generator, x, z = make(kind, moment_weight=0.0), torch.randn(1, 5, DIM), torch.randn(1, LATENT)
    twice = loss(generator, x[:, [0, 0, 1, 2, 3, 4]], z)
    once = torch.cat([x, torch.full((1, 1, DIM), 9.0)], 1)  # as many samples, so that as many are generated
    weight = torch.tensor([[2.0, 1.0, 1.0, 1.0, 1.0, 0.0]])
    torch.testing.assert_close(loss(generator, once, z, weight=weight), twice, rtol=1e-4, atol=1e-5)


@kinds
@pytest.mark.parametrize("n", [1, 2])
def test_the_smallest_sets_have_a_loss(kind, n):
    generator, z = make(kind, affine=True), torch.randn(3, LATENT)
    value = loss(generator, torch.randn(3, n, DIM), z)
    value.backward()
    assert value.isfinite()
    assert all(p.grad.isfinite().all() for p in generator.parameters())


def test_impossible_parameters_are_refused():
    with pytest.raises(ValueError, match="noise_dim: found 1 with affine, expected at least the 2 features"):
        make(SlicedW2, affine=True, noise_dim=1)
    with pytest.raises(ValueError, match="projections: found 0"):
        make(SlicedW2, projections=0)
    with pytest.raises(ValueError, match="blur: found 0"):
        make(Sinkhorn, blur=0)
    with pytest.raises(ValueError, match="layers: found 0"):
        make(ExactOt, layers=0)
    with pytest.raises(ValueError, match="moment_weight: found -1"):
        make(Mmd, moment_weight=-1)
