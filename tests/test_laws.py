"""The laws of design: every registered encoder and generator with every option that changes how it works.

Those of sets of sequences are in test_token_laws.py.
"""

from dataclasses import MISSING, fields
from itertools import product

import pytest
import tiny
import torch
from generator_laws import check_parts_of_a_batch, check_rounding

from gde import encoders, generators, objectives
from gde.config.experiment import Experiment
from gde.generators.base import POINTS_AT_ONCE
from gde.model import GDE
from gde.nets.affine import FULL_UP_TO
from gde.nets.poolers import POOLERS
from gde.nets.registry import build, resolve_kind
from gde.sets.random import ShardRandom

DIM, LATENT = 3, 7
ENCODERS = tiny.VECTOR_ENCODERS


def options_of(kind: str, registry: dict) -> set[str]:
    return {field.name for field in fields(resolve_kind(registry, kind).Options)}


def small(kind: str, registry: dict) -> dict:
    """Options that make a kind cheap, as far as it has them."""
    accepted = options_of(kind, registry)
    # as many points as the laws ask samples for: beyond, they repeat each other
    wanted = {"hidden": 16, "layers": 2, "steps": 20, "points": 90, "evaluations": 4 if kind == "flow" else None}
    return {"kind": kind} | {k: v for k, v in wanted.items() if k in accepted and v is not None}


def perturb(module: torch.nn.Module) -> torch.nn.Module:
    return tiny.moved(module, 0.2, torch.Generator().manual_seed(0))


# further options that change how an encoder works, in their order: (kind, options)
OPTIONS = [
    *[("gnn", {"pool": pool}) for pool in POOLERS if pool != "mean"],
    ("gnn", {"pool": "trimmed_mean", "pool_parameter": 0.3}),
    ("pca_mean", {"components": 2}),
    ("attention", {"induced": 5}),
    ("attention", {"induced": 5, "moments": False, "skip": False}),
    ("resnet_attention", {"induced": 5}),
]


def encoder_variants():
    """Every kind, where it has them with `moments` and `skip` on and off, and OPTIONS."""
    for kind in ENCODERS:
        if not {"moments", "skip"} <= options_of(kind, encoders.REGISTRY):
            yield pytest.param((kind, {}), id=kind)
            continue
        for moments, skip in product([True, False], repeat=2):
            name = "-".join([kind, *["no_moments"] * (not moments), *["no_skip"] * (not skip)])
            yield pytest.param((kind, {"moments": moments, "skip": skip}), id=name)
    for kind, options in OPTIONS:
        yield pytest.param((kind, options), id="-".join([kind, *(f"{k}={v}" for k, v in options.items())]))


# id: (kind, options, dimension of the samples); a kind not named here is tested with its defaults
GENERATORS = {
    "flow": ("flow", {}, DIM),
    "flow-affine": ("flow", {"affine": True}, DIM),
    "flow-affine-diagonal": ("flow", {"affine": True}, FULL_UP_TO + 1),
    "flow-guided": ("flow", {"drop": 0.5, "guidance": 1.5}, DIM),
    "ddpm": ("ddpm", {}, DIM),
    "ddpm-ddim": ("ddpm", {"sampler": "ddim", "evaluations": 5}, DIM),
    "ddpm-zero_snr": ("ddpm", {"zero_terminal_snr": True}, DIM),
    "ddpm-affine": ("ddpm", {"affine": True}, DIM),
    "ddpm_subset": ("ddpm_subset", {"features": 2}, DIM),
    "cvae": ("cvae", {}, DIM),
    "cvae-affine": ("cvae", {"affine": True}, DIM),
    "cvae-warmup": ("cvae", {"warmup": 10**6}, DIM),
    "sliced_w2-affine": ("sliced_w2", {"affine": True}, DIM),
    "sliced_w2-affine-diagonal": ("sliced_w2", {"affine": True, "noise_dim": FULL_UP_TO + 1}, FULL_UP_TO + 1),
    "sliced_w2-plain": ("sliced_w2", {"moment_weight": 0.0, "balanced": False}, DIM),
    "exact_ot-affine": ("exact_ot", {"affine": True}, DIM),
    "sinkhorn-affine": ("sinkhorn", {"affine": True}, DIM),
    "mmd-affine": ("mmd", {"affine": True}, DIM),
    **{f"{kind}-line": (kind, {}, 1) for kind in ("sliced_w2", "exact_ot", "sinkhorn", "mmd", "wormhole")},
    "wormhole-no_pairs": ("wormhole", {"pair_weight": 0.0}, DIM),
}
POINT_KINDS = tiny.VECTOR_GENERATORS
GENERATORS |= {kind: (kind, {}, DIM) for kind in POINT_KINDS if kind not in GENERATORS}


@pytest.fixture(params=encoder_variants())
def encoder(request):
    kind, options = request.param
    torch.manual_seed(0)
    section = small(kind, encoders.REGISTRY) | options
    return perturb(build(encoders.REGISTRY, section, dim=DIM, latent_dim=LATENT))


@pytest.fixture(params=GENERATORS.values(), ids=GENERATORS)
def generator(request):
    kind, options, dim = request.param
    torch.manual_seed(0)
    section = small(kind, generators.REGISTRY) | options
    return perturb(build(generators.REGISTRY, section, dim=dim, latent_dim=LATENT))


def test_encoder_ignores_order(encoder):
    x = torch.randn(4, 33, DIM)
    torch.testing.assert_close(encoder(x[:, torch.randperm(33)]), encoder(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("k", [2, 5])
def test_encoder_ignores_proportional_duplication(encoder, k):
    x = torch.randn(4, 10, DIM)
    torch.testing.assert_close(encoder(x.repeat(1, k, 1)), encoder(x), rtol=1e-4, atol=1e-5)


def test_encoder_weights_are_multiplicities(encoder):
    x = torch.randn(2, 3, DIM)
    repeated = x[:, [0, 1, 1, 2, 2, 2]]
    weight = torch.tensor([1.0, 2.0, 3.0]).expand(2, 3)
    torch.testing.assert_close(encoder(x, weight=weight), encoder(repeated), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("garbage", [1e6, float("inf"), float("nan")])
def test_masked_samples_do_not_matter(encoder, garbage):
    x = torch.randn(4, 12, DIM)
    mask = torch.arange(12) < torch.tensor([[12], [7], [3], [1]])
    dirty = torch.where(mask[..., None], x, garbage)
    z = encoder(dirty, mask=mask)
    torch.testing.assert_close(z[2:3], encoder(x[2:3, :3]), rtol=1e-4, atol=1e-5)
    assert torch.equal(z, encoder(torch.where(mask[..., None], x, 0.0), mask=mask))
    z.sum().backward()
    assert all(p.grad.isfinite().all() for p in encoder.parameters() if p.grad is not None)


def test_encoder_is_defined_for_one_sample(encoder):
    z = encoder(torch.randn(3, 1, DIM))
    z.sum().backward()
    assert z.isfinite().all()
    assert all(p.grad.isfinite().all() for p in encoder.parameters())


def test_embedding_converges_at_root_n(encoder, request):
    """Central limit theorem: sd of the embedding of n samples falls with slope -1/2.

    Samples are cubes of normal numbers, whose tails are heavy; of bounded ones for poolers that exponentiate, which
    have no such limit for heavy tails.
    """
    _, options = request.node.callspec.params["encoder"]
    transform = torch.tanh if options.get("pool") in ("softmax", "logsumexp") else lambda x: x**3
    sizes, sd = torch.tensor([16.0, 64, 256, 1024]), []
    for n in sizes.int().tolist():
        generator = torch.Generator().manual_seed(n)
        with torch.no_grad():
            z = encoder(transform(torch.randn(200, n, DIM, generator=generator)))
        sd.append(z.std(0).square().mean().sqrt())
    x, y = sizes.log() - sizes.log().mean(), torch.stack(sd).log()
    slope = (x * (y - y.mean())).sum() / x.square().sum()
    assert -0.62 < slope < -0.38


def test_bfloat16_changes_the_embedding_by_rounding_only(encoder):
    x = torch.randn(8, 40, DIM)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        z = encoder(x)
    assert (z.float() - encoder(x)).abs().max() < 0.03 * encoder(x).abs().max()


def test_gradient_reaches_every_parameter_of_the_encoder(encoder):
    encoder(torch.randn(8, 20, DIM)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in encoder.parameters())


def test_gradient_reaches_every_parameter_of_the_generator_and_z(generator):
    z = torch.randn(8, LATENT, requires_grad=True)
    generator.loss(torch.randn(8, 20, generator.dim), z, rng=ShardRandom(0, 0)).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in generator.parameters())
    assert z.grad.abs().sum() > 0


def test_generator_loss_ignores_masked_samples(generator):
    x, z = torch.randn(4, 12, generator.dim), torch.randn(4, LATENT)
    mask = torch.arange(12) < torch.tensor([[12], [7], [3], [1]])
    dirty = torch.where(mask[..., None], x, float("nan"))
    losses = [generator.loss(data, z, mask=mask, rng=ShardRandom(3, 0)) for data in (x, dirty)]
    assert losses[0].isfinite()
    torch.testing.assert_close(losses[0], losses[1])


def test_generator_loss_does_not_depend_on_how_many_processes_share_it(generator):
    check_parts_of_a_batch(generator, torch.randn(8, 5, generator.dim), torch.randn(8, LATENT))


def test_bfloat16_changes_the_loss_by_rounding_only(generator):
    check_rounding(generator, torch.randn(8, 40, generator.dim), torch.randn(8, LATENT))


def test_samples_have_the_right_shape_and_follow_seed_and_z(generator):
    z = torch.randn(3, LATENT)

    def draw(z, seed):
        return generator.sample(z, 50, generator=torch.Generator().manual_seed(seed))

    first = draw(z, 0)
    assert first.shape == (3, 50, generator.dim)
    assert first.isfinite().all()
    assert torch.equal(first, draw(z, 0))
    assert not torch.equal(first, draw(z, 1))
    assert (draw(z + 1, 0) - first).abs().mean() > 1e-3  # same noise, other embedding


def test_sampling_in_pieces_covers_every_set(generator, monkeypatch):
    """Sets and points beyond the memory bound are generated in pieces; none is left unwritten."""
    monkeypatch.setitem(POINTS_AT_ONCE, "cpu", 40)
    z = torch.randn(5, LATENT)
    for n in (7, 40, 90):
        x = generator.sample(z, n, generator=torch.Generator().manual_seed(0))
        assert x.shape == (5, n, generator.dim)
        assert len(x.flatten(0, 1).unique(dim=0)) == 5 * n


@pytest.mark.parametrize("kind", ENCODERS)
@pytest.mark.parametrize("generator_kind", POINT_KINDS)
def test_saved_and_loaded_models_agree_bit_for_bit(tmp_path, kind, generator_kind):
    torch.manual_seed(0)
    config = {
        "encoder": small(kind, encoders.REGISTRY),
        "generator": small(generator_kind, generators.REGISTRY),
        "latent_dim": LATENT,
    }
    model = perturb(GDE(config, mean=torch.randn(DIM), scale=1 + torch.rand(DIM))).eval()
    model.save(tmp_path / "model")
    loaded = GDE.load(tmp_path / "model")
    x = torch.randn(2, 9, DIM)
    z = model.embed(x)
    assert torch.equal(loaded.embed(x), z)
    assert torch.equal(*(m.sample(z, 6, generator=torch.Generator().manual_seed(1)) for m in (model, loaded)))
    assert loaded.config == config


@pytest.mark.parametrize(
    ("registry", "section"), [(encoders.REGISTRY, "encoder"), (generators.REGISTRY, "generator")], ids=lambda v: v
)
def test_config_mirrors_options(registry, section):
    """Every kind has a config class with exactly its options and defaults, and the other way round."""
    annotation = Experiment.model_fields[section].annotation
    union = getattr(annotation, "__args__", (annotation,))
    models = {m.model_fields["kind"].annotation.__args__[0]: m for m in union}
    assert set(models) == set(registry)
    for kind, model in models.items():
        options = {field.name: field.default for field in fields(resolve_kind(registry, kind).Options)}
        found = {key: field.default for key, field in model.model_fields.items() if key != "kind"}
        if "then" in found:  # only the configuration has a default for this section
            assert options.pop("then") is MISSING and found.pop("then").kind == "resnet"
        assert found == options


def test_objectives_are_registered_functions():
    assert all(callable(resolve_kind(objectives.REGISTRY, kind)) for kind in objectives.REGISTRY)
