"""The laws of design for encoders and generators of sets of sequences: every kind and what changes how it works."""

from dataclasses import fields

import published
import pytest
import tiny
import torch
from generator_laws import check_parts_of_a_batch, check_rounding

from gde import encoders, generators
from gde.encoders.language_model import LanguageModel
from gde.generators import autoregressive, dna_vae
from gde.model import GDE
from gde.nets.registry import build, resolve_kind
from gde.sets.random import ShardRandom

LENGTH, LATENT, VOCABULARY = 11, 7, 5
SIZES = {"dim": LENGTH, "latent_dim": LATENT, "vocabulary": VOCABULARY}
ENCODERS = {
    "dna_conv": ("dna_conv", {}),
    "dna_conv-pool": ("dna_conv", {"pool": 4}),
    "dna_conv-kernel": ("dna_conv", {"kernel": 3, "layers": 1}),
    "dna_conv-places": ("dna_conv", {"readout": "positions", "pool": 4}),
    "protein_lm": ("protein_lm", {}),
    "protein_lm-frozen": ("protein_lm", {"mode": "frozen", "weights": "esm2", "then": {"kind": "attention"}}),
    "protein_lm-lora": ("protein_lm", {"mode": "lora", "weights": "esm2", "rank": 2, "then": {"kind": "gnn"}}),
    "text_lm": ("text_lm", {"then": {"kind": "mean"}}),
    "text_lm-mean": ("text_lm", {"pooling": "mean", "positions": 9}),
}
RESIDUES = {"protein_lm": 21, "text_lm": 255}  # the tests write the first five of them
BY_TOKEN = ("hyenadna", "gpt", "progen2")
GENERATORS = {
    **{f"{kind}-{c}": (kind, {"conditioning": c}) for kind in BY_TOKEN for c in ("additive", "adaln")},
    **{f"{kind}-prefix": (kind, {"conditioning": "prefix", "prefix": 3}) for kind in BY_TOKEN},
    "hyenadna-subsample": ("hyenadna", {"subsample": 3}),
    "hyenadna-long_filter": ("hyenadna", {"filter_length": 40, "filter_features": 3}),
    "gpt-subsample": ("gpt", {"subsample": 3}),
    "gpt2": ("gpt2", {"heads": 2}),
    "progen2-rotary": ("progen2", {"rotary": 2, "heads": 2, "subsample": 3}),
    "dna_vae": ("dna_vae", {}),
    "dna_vae-subsample": ("dna_vae", {"subsample": 3}),
    "dna_vae-warmup": ("dna_vae", {"warmup": 10**6}),
}


def small(kind: str, registry: dict) -> dict:
    accepted = {field.name for field in fields(resolve_kind(registry, kind).Options)}
    wanted = {"hidden": 16, "layers": 2, "filter_hidden": 8, "code_dim": 4, "then": {"kind": "resnet", "hidden": 16}}
    return {"kind": kind} | {k: v for k, v in wanted.items() if k in accepted}


def perturb(module: torch.nn.Module) -> torch.nn.Module:
    return tiny.moved(module, 0.1, torch.Generator().manual_seed(0))


def sequences(b: int, n: int, seed: int = 0) -> torch.Tensor:
    """Random sequences (b, n, LENGTH), of 1 token to all places."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randint(1, VOCABULARY + 1, (b, n, LENGTH), generator=generator)
    length = torch.randint(1, LENGTH + 1, (b, n, 1), generator=generator)
    return torch.where(torch.arange(LENGTH) < length, x, 0).to(torch.uint8)


@pytest.fixture(scope="session")
def esm2(tmp_path_factory):
    path = tmp_path_factory.mktemp("published") / "esm2"
    published.esm2(path)
    return str(path)


@pytest.fixture(params=ENCODERS.values(), ids=ENCODERS)
def encoder(request):
    kind, options = request.param
    if "weights" in options:
        options = options | {"weights": request.getfixturevalue(options["weights"])}
    torch.manual_seed(0)
    sizes = SIZES | {"vocabulary": RESIDUES.get(kind, VOCABULARY)}
    return perturb(build(encoders.REGISTRY, small(kind, encoders.REGISTRY) | options, **sizes))


@pytest.fixture(params=GENERATORS.values(), ids=GENERATORS)
def generator(request):
    kind, options = request.param
    torch.manual_seed(0)
    return perturb(build(generators.REGISTRY, small(kind, generators.REGISTRY) | options, **SIZES))


@pytest.fixture
def z():
    return torch.randn(4, LATENT, generator=torch.Generator().manual_seed(5))


MASK = torch.arange(12) < torch.tensor([[12], [7], [4], [3]])


def test_every_kind_is_tested():
    assert {kind for kind, _ in ENCODERS.values()} == tiny.TOKEN_ENCODERS
    assert {kind for kind, _ in GENERATORS.values()} == tiny.TOKEN_GENERATORS


def test_encoder_ignores_order(encoder):
    x = sequences(4, 33)
    torch.testing.assert_close(encoder(x[:, torch.randperm(33)]), encoder(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("mode", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("k", [2, 5])
def test_encoder_ignores_proportional_duplication(encoder, k, mode):
    x = sequences(4, 10)
    encoder.train(mode)
    torch.testing.assert_close(encoder(x.repeat(1, k, 1)), encoder(x), rtol=1e-4, atol=1e-5)


def test_encoder_weights_are_multiplicities(encoder):
    x = sequences(2, 3)
    weight = torch.tensor([1.0, 2.0, 3.0]).expand(2, 3)
    torch.testing.assert_close(encoder(x, weight=weight), encoder(x[:, [0, 1, 1, 2, 2, 2]]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("garbage", [0, 3, 255])
def test_masked_sequences_do_not_matter(encoder, garbage):
    x = sequences(4, 12)
    z = encoder(torch.where(MASK[..., None], x, garbage).to(torch.uint8), mask=MASK)
    torch.testing.assert_close(z[2:3], encoder(x[2:3, :4]), rtol=1e-4, atol=1e-5)
    z.sum().backward()
    assert all(p.grad.isfinite().all() for p in encoder.parameters())


def test_a_set_does_not_see_other_sets(encoder):
    x = sequences(4, 12)
    torch.testing.assert_close(encoder(x)[1:2], encoder(x[1:2]), rtol=1e-4, atol=1e-5)


def test_encoder_is_defined_for_one_letter(encoder):
    x = torch.zeros(2, 1, LENGTH, dtype=torch.uint8)
    x[:, :, 0] = 3
    z = encoder(x)
    z.sum().backward()
    assert z.isfinite().all()
    assert all(p.grad.isfinite().all() for p in encoder.parameters())


def test_embedding_converges_at_root_n(encoder):
    """Central limit theorem: sd of the embedding of n sequences falls with slope -1/2."""
    sizes, sd = torch.tensor([8.0, 32, 128, 512]), []
    sets = 40 if isinstance(encoder, LanguageModel) else 100
    for n in sizes.int().tolist():
        with torch.no_grad():
            sd.append(encoder(sequences(sets, n, seed=n)).std(0).square().mean().sqrt())
    x, y = sizes.log() - sizes.log().mean(), torch.stack(sd).log()
    slope = (x * (y - y.mean())).sum() / x.square().sum()
    assert -0.62 < slope < -0.38


def test_bfloat16_changes_the_embedding_by_rounding_only(encoder):
    x = sequences(8, 40)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        z = encoder(x)
    assert (z.float() - encoder(x)).abs().max() < 0.03 * encoder(x).abs().max()


def test_gradient_reaches_every_parameter_of_the_encoder(encoder):
    encoder(sequences(8, 20)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in encoder.parameters())


def test_gradient_reaches_every_parameter_of_the_generator_and_z(generator):
    z = torch.randn(8, LATENT, requires_grad=True)
    generator.loss(sequences(8, 20), z, rng=ShardRandom(0, 0)).backward()
    assert [n for n, p in generator.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []
    assert z.grad.abs().sum() > 0


def gradients(generator, x, z, **options):
    """The loss and its gradients in z and all parameters."""
    if hasattr(generator, "calls"):
        generator.calls.zero_()  # of the warm-up
    z = z.clone().requires_grad_()
    loss = generator.loss(x, z, rng=ShardRandom(3, 0), **options)
    return loss, *torch.autograd.grad(loss, [z, *generator.parameters()])


def test_padding_never_enters_the_loss(generator, z):
    """Whatever stands after the end changes neither the loss, nor a gradient, nor a likelihood."""
    x = sequences(4, 12)
    ended = (x == 0).cumsum(-1) > 1  # behind the first 0, which is the end mark
    dirty = torch.where(ended, 4, x).to(torch.uint8)
    assert (dirty != x).any()
    for clean, other in zip(gradients(generator, x, z), gradients(generator, dirty, z), strict=True):
        assert torch.equal(clean, other)
    assert torch.equal(generator.log_prob(x, z), generator.log_prob(dirty, z))


@pytest.mark.parametrize("garbage", [0, 3, 255])
def test_loss_ignores_masked_sequences(generator, z, garbage):
    x = sequences(4, 12)
    dirty = torch.where(MASK[..., None], x, garbage).to(torch.uint8)
    for clean, other in zip(
        gradients(generator, x, z, mask=MASK), gradients(generator, dirty, z, mask=MASK), strict=True
    ):
        assert clean.isfinite().all()
        torch.testing.assert_close(clean, other)


@torch.no_grad()
def test_weights_are_multiplicities_in_the_loss(generator, z):
    """Of all samples, as in validation."""
    x = sequences(4, 3)
    if isinstance(generator, dna_vae.DnaVae):  # copies would have other noise: a weight that picks one sample
        pick = torch.tensor([0.0, 1.0, 0.0]).expand(4, 3)
        noise = ShardRandom(0, 0).randn(4, 3, generator.code_dim)[:, 1]
        nll, kl = generator.terms(x[:, 1].long(), z, generator.films(z, torch.arange(4)), noise)
        torch.testing.assert_close(
            generator.loss(x, z, weight=5 * pick, rng=ShardRandom(0, 0)), (nll + kl).mean() / LENGTH
        )
        return
    weight = torch.tensor([1.0, 2.0, 3.0]).expand(4, 3)
    expected = generator.loss(x[:, [0, 1, 1, 2, 2, 2]], z)
    torch.testing.assert_close(generator.loss(x, z, weight=weight), expected)
    torch.testing.assert_close(-(generator.log_prob(x, z) * weight / 6).sum(1).mean() / LENGTH, expected)


def test_generator_loss_does_not_depend_on_how_many_processes_share_it(generator):
    check_parts_of_a_batch(generator, sequences(8, 5), torch.randn(8, LATENT))


def test_bfloat16_changes_the_loss_by_rounding_only(generator):
    check_rounding(generator, sequences(8, 40), torch.randn(8, LATENT))


def test_samples_are_sequences_and_follow_seed_and_z(generator):
    z = torch.randn(3, LATENT)

    def draw(z, seed):
        return generator.sample(z, 50, generator=torch.Generator().manual_seed(seed))

    first = draw(z, 0)
    assert first.shape == (3, 50, LENGTH)
    assert first.dtype == torch.uint8
    assert first.max() <= VOCABULARY
    assert (first[..., 0] > 0).all()  # none is empty
    assert (first[(first == 0).cumsum(-1) > 0] == 0).all()  # nothing stands after the end
    assert torch.equal(first, draw(z, 0))
    assert not torch.equal(first, draw(z, 1))
    assert not torch.equal(first, draw(z + 3, 0))  # same noise, other embedding
    assert generator.log_prob(first, z).isfinite().all()


@pytest.mark.parametrize("n", [7, 40, 90])
def test_sampling_in_pieces_covers_every_set(generator, monkeypatch, n):
    """Sets and samples beyond the memory bound are generated in pieces; none is left unwritten."""
    for module in (autoregressive, dna_vae):
        monkeypatch.setitem(module.ROWS_AT_ONCE, "cpu", 40)
    z = torch.randn(5, LATENT)
    x = generator.sample(z, n, generator=torch.Generator().manual_seed(0))
    assert x.shape == (5, n, LENGTH)
    assert (x[..., 0] > 0).all()


def test_likelihood_in_pieces_is_the_same(generator, monkeypatch, z):
    x = sequences(4, 12)
    whole = generator.log_prob(x, z)
    assert whole.shape == (4, 12)
    assert (whole < 0).all()
    if not isinstance(generator, dna_vae.DnaVae):  # its noise is drawn piece by piece
        monkeypatch.setitem(autoregressive.ROWS_AT_ONCE, "cpu", 7)
        torch.testing.assert_close(generator.log_prob(x, z), whole)
    assert (generator.log_prob(x, z, MASK)[~MASK] == 0).all()


@pytest.mark.parametrize("kind", sorted(tiny.TOKEN_GENERATORS))
def test_saved_and_loaded_models_agree_bit_for_bit(tmp_path, kind, no_fsync):
    torch.manual_seed(0)
    config = {
        "encoder": small("dna_conv", encoders.REGISTRY),
        "generator": small(kind, generators.REGISTRY),
        "latent_dim": LATENT,
        "tokens": {"alphabet": "dna", "length": LENGTH},
    }
    model = perturb(GDE(config, mean=torch.zeros(LENGTH), scale=torch.ones(LENGTH))).eval()
    model.save(tmp_path / "model")
    loaded = GDE.load(tmp_path / "model")
    z = model.embed(sequences(2, 9))
    assert torch.equal(loaded.embed(sequences(2, 9)), z)
    assert torch.equal(*(m.sample(z, 6, generator=torch.Generator().manual_seed(1)) for m in (model, loaded)))
    assert loaded.config == config


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("hyenadna", {"conditioning": "film"}, "conditioning: found 'film'"),
        ("gpt", {"prefix": 2}, "prefix: found 2 with conditioning 'adaln'"),
        ("hyenadna", {"filter_features": 4}, "filter_features: found 4"),
        ("hyenadna", {"filter_length": 5}, "filter_length: found 5"),
        ("gpt", {"heads": 3}, "heads: found 3"),
        ("progen2", {"heads": 3}, "heads: found 3"),
        ("progen2", {"rotary": 3}, "rotary: found 3"),
        ("progen2", {"rotary": 6}, "rotary: found 6, expected an even number from 2 to 4"),
        ("dna_vae", {"kernel": 4}, "kernel: found 4"),
        ("dna_vae", {"top_p": 0.0}, "top_p: found 0.0"),
        ("gpt", {"temperature": 0.0}, "temperature: found 0.0"),
        ("hyenadna", {"subsample": 0}, "subsample: found 0"),
        ("dna_vae", {"beta": -1.0}, "beta: found -1.0"),
    ],
)
def test_impossible_options_are_refused(kind, options, message):
    with pytest.raises(ValueError, match=message):
        build(generators.REGISTRY, small(kind, generators.REGISTRY) | options, **SIZES)
