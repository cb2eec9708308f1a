"""The laws of design for sets of images: every encoder and generator that takes them, at sizes that halve evenly and do
not."""

from dataclasses import fields

import pytest
import tiny
import torch
from generator_laws import check_parts_of_a_batch, check_rounding

from gde import encoders, generators
from gde.embed import stream
from gde.generators import base
from gde.model import GDE
from gde.nets.registry import build, resolve_kind
from gde.nets.unet import UNet
from gde.sets.random import ShardRandom

LATENT = 7
SHAPES = [(1, 28, 28), (3, 32, 32), (2, 13, 18)]
SMALL = {"hidden": 8, "layers": 1, "evaluations": 4, "steps": 20, "code_dim": 4}
VARIANTS = {
    **{kind: (kind, {}) for kind in tiny.IMAGE_GENERATORS},
    "flow-guided": ("flow", {"drop": 0.5, "guidance": 1.5}),
    "flow-subsample": ("flow", {"subsample": 3}),
    "ddpm-ddim": ("ddpm", {"sampler": "ddim", "evaluations": 5}),
    "ddpm-guided": ("ddpm", {"drop": 0.5, "guidance": 2.0, "zero_terminal_snr": True}),
    "cnn_vae-noise": ("cnn_vae", {"observation_noise": True, "warmup": 10**6}),
}


def section(registry, kind, **options):
    known = {field.name for field in fields(resolve_kind(registry, kind).Options)}
    small = {k: v for k, v in SMALL.items() if k in known and (k, kind) != ("evaluations", "ddpm")}
    return {"kind": kind, **small, **options}


def made(registry, kind, shape, **options):
    torch.manual_seed(0)
    dim = torch.Size(shape).numel()
    part = build(registry, section(registry, kind, **options), dim=dim, shape=shape, latent_dim=LATENT)
    return tiny.moved(part, 0.1, torch.Generator().manual_seed(0))


@pytest.fixture(params=SHAPES, ids=str)
def shape(request):
    return request.param


@pytest.fixture(params=tiny.IMAGE_ENCODERS)
def encoder(request, shape):
    return made(encoders.REGISTRY, request.param, shape)


@pytest.fixture(params=VARIANTS.values(), ids=VARIANTS)
def generator(request, shape):
    kind, options = request.param
    return made(generators.REGISTRY, kind, shape, **options)


def test_encoder_ignores_order_and_proportional_duplication(encoder, shape):
    x = torch.randn(2, 9, *shape)
    torch.testing.assert_close(encoder(x[:, torch.randperm(9)]), encoder(x), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(encoder(torch.cat([x, x], 1)), encoder(x), rtol=1e-4, atol=1e-5)


def test_encoder_weights_are_multiplicities(encoder, shape):
    x = torch.randn(2, 3, *shape)
    weight = torch.tensor([1.0, 2.0, 3.0]).expand(2, 3)
    torch.testing.assert_close(encoder(x, weight=weight), encoder(x[:, [0, 1, 1, 2, 2, 2]]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("garbage", [1e6, float("nan")])
def test_masked_images_do_not_matter(encoder, shape, garbage):
    x = torch.randn(3, 6, *shape)
    mask = torch.arange(6) < torch.tensor([[6], [3], [1]])
    z = encoder(torch.where(mask[..., None, None, None], x, garbage), mask=mask)
    torch.testing.assert_close(z[1:2], encoder(x[1:2, :3]), rtol=1e-4, atol=1e-5)
    z.sum().backward()
    assert all(p.grad.isfinite().all() for p in encoder.parameters() if p.grad is not None)


def test_gradient_reaches_every_parameter_of_the_encoder(encoder, shape):
    encoder(torch.randn(4, 5, *shape)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in encoder.parameters())


def test_embedding_converges_at_root_n(encoder, shape):
    sizes, sd = torch.tensor([4.0, 16, 64]), []
    for n in sizes.int().tolist():
        with torch.no_grad():
            z = encoder(torch.randn(40, n, *shape, generator=torch.Generator().manual_seed(n)))
        sd.append(z.std(0).square().mean().sqrt())
    x, y = sizes.log() - sizes.log().mean(), torch.stack(sd).log()
    assert -0.65 < (x * (y - y.mean())).sum() / x.square().sum() < -0.35


def test_bfloat16_changes_the_embedding_by_rounding_only(encoder, shape):
    x = torch.randn(2, 5, *shape)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        z = encoder(x)
    assert (z.float() - encoder(x)).abs().max() < 0.03 * encoder(x).abs().max()


def test_gradient_reaches_every_parameter_of_the_generator_and_z(generator, shape):
    z = torch.randn(6, LATENT, requires_grad=True)
    generator.loss(torch.randn(6, 4, *shape), z, rng=ShardRandom(0, 0)).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in generator.parameters())
    assert z.grad.abs().sum() > 0


def test_generator_loss_ignores_masked_images(generator, shape):
    x, z = torch.randn(3, 5, *shape), torch.randn(3, LATENT)
    mask = torch.arange(5) < torch.tensor([[5], [3], [1]])
    dirty = torch.where(mask[..., None, None, None], x, float("nan"))
    losses = [generator.loss(data, z, mask=mask, rng=ShardRandom(3, 0)) for data in (x, dirty)]
    assert losses[0].isfinite()
    torch.testing.assert_close(losses[0], losses[1])


def test_generator_loss_does_not_depend_on_how_many_processes_share_it(generator, shape):
    check_parts_of_a_batch(generator, torch.randn(8, 3, *shape), torch.randn(8, LATENT))


def test_bfloat16_changes_the_loss_by_rounding_only(generator, shape):
    check_rounding(generator, torch.randn(4, 6, *shape), torch.randn(4, LATENT))


def test_samples_have_the_right_shape_and_follow_seed_and_z(generator, shape):
    z = torch.randn(2, LATENT)

    def draw(z, seed):
        return generator.sample(z, 3, generator=torch.Generator().manual_seed(seed))

    first = draw(z, 0)
    assert first.shape == (2, 3, *shape) and first.isfinite().all()
    assert torch.equal(first, draw(z, 0)) and not torch.equal(first, draw(z, 1))
    assert (draw(z + 1, 0) - first).abs().mean() > 1e-3  # same noise, other embedding


def test_sampling_in_pieces_covers_every_set(generator, shape, monkeypatch):
    monkeypatch.setitem(base.PIXELS_AT_ONCE, "cpu", 4 * torch.Size(shape).numel())
    x = generator.sample(torch.randn(3, LATENT), 6, generator=torch.Generator().manual_seed(0))
    assert x.shape == (3, 6, *shape) and len(x.flatten(0, 1).unique(dim=0)) == 18


@pytest.mark.parametrize("side", [*range(6, 20), 28, 32, 64, 104])
def test_the_network_takes_every_size_and_sees_the_whole_image(side):
    """Every pixel of the output depends on pixels far away, and none is left at its start."""
    torch.manual_seed(0)
    shape = (1, side, side + 3)
    net = tiny.moved(UNet(shape, LATENT, hidden=8, layers=1, time_features=4), 0.2, torch.Generator().manual_seed(0))
    y = torch.randn(1, 1, *shape, requires_grad=True)
    out = net(y, torch.tensor(0.3), net.modulation(torch.randn(1, LATENT)))
    assert out.shape == y.shape
    (slope,) = torch.autograd.grad(out[0, 0, 0, 0, 0], y, retain_graph=True)
    assert slope[0, 0, 0, -1, -1] != 0 and (out != 0).all()


def test_the_time_of_each_image_counts_and_a_common_one_is_that_of_all():
    net = tiny.moved(UNet((1, 12, 12), LATENT, hidden=8, layers=2, time_features=4), 0.2, torch.Generator())
    y, film = torch.randn(2, 3, 1, 12, 12), net.modulation(torch.randn(2, LATENT))
    t = torch.rand(2, 3)
    each = net(y, t, film)
    for i in range(2):
        for j in range(3):
            alone = net(y[i : i + 1, j : j + 1], t[i, j], film[i : i + 1])
            torch.testing.assert_close(alone[0, 0], each[i, j], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", tiny.IMAGE_ENCODERS)
@pytest.mark.parametrize("generator_kind", tiny.IMAGE_GENERATORS)
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_saved_and_loaded_models_agree_bit_for_bit_and_give_pixels(tmp_path, kind, generator_kind, dtype):
    shape = (2, 10, 9)
    config = {
        "encoder": section(encoders.REGISTRY, kind),
        "generator": section(generators.REGISTRY, generator_kind),
        "latent_dim": LATENT,
        "images": {"shape": list(shape), "dtype": dtype, "channels": ["DAPI", "GFP"], "pixel_size": 0.3},
    }
    torch.manual_seed(0)
    model = GDE(config, mean=[100.0, 120.0], scale=[100.0, 50.0])
    model = tiny.moved(model, 0.1, torch.Generator().manual_seed(0)).eval()
    model.save(tmp_path / "model")
    loaded = GDE.load(tmp_path / "model")
    x = torch.randint(0, 256, (2, 5, *shape)).to(getattr(torch, dtype))
    z = model.embed(x)
    assert torch.equal(loaded.embed(x), z)
    first, again = (m.sample(z, 3, generator=torch.Generator().manual_seed(1)) for m in (model, loaded))
    assert torch.equal(first, again) and first.shape == (2, 3, *shape) and str(first.dtype) == f"torch.{dtype}"
    assert loaded.config == config and loaded.sample_type == model.sample_type and loaded.dim == 180


@pytest.mark.parametrize("kind", tiny.IMAGE_ENCODERS)
def test_a_group_of_any_size_is_embedded_exactly(kind):
    shape = (1, 12, 12)
    config = {
        "encoder": section(encoders.REGISTRY, kind),
        "generator": section(generators.REGISTRY, "flow"),
        "latent_dim": LATENT,
        "images": {"shape": list(shape), "dtype": "uint8", "channels": [], "pixel_size": None},
    }
    model = tiny.moved(GDE(config, mean=[120.0], scale=[80.0]), 0.1, torch.Generator().manual_seed(0)).eval()
    x = torch.randint(0, 256, (50, *shape), dtype=torch.uint8)
    pieces = [(x[i : i + 17], torch.zeros(len(x[i : i + 17]), dtype=torch.int64), None) for i in range(0, 50, 17)]
    with torch.no_grad():
        torch.testing.assert_close(
            stream(model, lambda: iter(pieces), [50]), model.embed(x[None]), rtol=1e-5, atol=1e-5
        )


def test_affine_frames_are_refused():
    with pytest.raises(ValueError, match="affine: found true for images"):
        made(generators.REGISTRY, "flow", (1, 8, 8), affine=True)
