"""ProGen2: published files load by their names, and the logits are those of the block written out by hand."""

import hashlib
import json
import math
import shutil

import pytest
import torch
from safetensors.torch import save_file

from gde.errors import GdeError
from gde.generators.progen2 import ProGen2
from gde.generators.progen2_weights import END, START, TOKENS, in_order, read_sizes, shapes
from gde.model import GDE
from gde.runs.card import generator_words
from gde.sets.types.alphabet import ALPHABETS

WIDTH, LAYERS, HEADS, ROTARY, LATENT, LENGTH = 48, 2, 8, 4, 3, 15
PROTEIN = ALPHABETS["protein"]
CONFIG = {
    "model_type": "progen",
    "n_embd": WIDTH,
    "n_layer": LAYERS,
    "n_head": HEADS,
    "rotary_dim": ROTARY,
    "activation_function": "gelu_new",
}


def model(vocabulary=PROTEIN.size, **options) -> ProGen2:
    torch.manual_seed(1)
    sizes = {"hidden": WIDTH, "layers": LAYERS, "heads": HEADS, "rotary": ROTARY}
    return ProGen2(ProGen2.Options(**sizes | options), dim=LENGTH, latent_dim=LATENT, vocabulary=vocabulary)


def published(width: int = WIDTH, layers: int = LAYERS, rows: int = 32, device: str = "cpu") -> dict[str, torch.Tensor]:
    """Random tensors with the names and shapes of a published model."""
    torch.manual_seed(0)
    h = width
    shape = {"transformer.wte.weight": (rows, h), "lm_head.weight": (rows, h), "lm_head.bias": (rows,)}
    shape |= {f"transformer.ln_f.{part}": (h,) for part in ("weight", "bias")}
    for i in range(layers):
        block = {"ln_1.weight": (h,), "ln_1.bias": (h,), "attn.qkv_proj.weight": (3 * h, h)}
        block |= {"attn.out_proj.weight": (h, h), "mlp.fc_in.weight": (4 * h, h), "mlp.fc_in.bias": (4 * h,)}
        block |= {"mlp.fc_out.weight": (h, 4 * h), "mlp.fc_out.bias": (h,)}
        shape |= {f"transformer.h.{i}.{name}": size for name, size in block.items()}
    return {name: 0.3 * torch.randn(size, device=device) for name, size in shape.items()}


@pytest.fixture
def folder(tmp_path):
    """write(tensors, **config) -> the directory of a published model."""

    def write(tensors=None, **config):
        save_file(published() if tensors is None else tensors, tmp_path / "model.safetensors")
        (tmp_path / "config.json").write_text(json.dumps(CONFIG | config))
        return tmp_path

    return write


def proteins(rows: int) -> torch.Tensor:
    return torch.randint(1, PROTEIN.size + 1, (rows, LENGTH), generator=torch.Generator().manual_seed(2))


def token(residue: int) -> int:
    """The published token of ours; 0 is the mark of the end, "2"."""
    return TOKENS[PROTEIN.symbols[residue - 1]] if residue else END


def by_hand(tensors: dict[str, torch.Tensor], tokens: list[int]) -> torch.Tensor:
    """Logits (t, rows) of a published model after each of its tokens, position by position and head by head, in
    float64."""
    w = {name.removeprefix("transformer."): tensor.double() for name, tensor in tensors.items()}
    h, e = w["wte.weight"][tokens], WIDTH // HEADS

    def norm(x, name):
        x = x - x.mean(-1, keepdim=True)
        return x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt() * w[f"{name}.weight"] + w[f"{name}.bias"]

    def turn(v, position):  # pairs as complex numbers
        head = torch.view_as_complex(v[:ROTARY].reshape(-1, 2).contiguous())
        angle = position * 10_000.0 ** (-torch.arange(0, ROTARY, 2, dtype=torch.float64) / ROTARY)
        return torch.cat([torch.view_as_real(head * torch.polar(torch.ones_like(angle), angle)).flatten(), v[ROTARY:]])

    for i in range(LAYERS):
        y = norm(h, f"h.{i}.ln_1")
        qkv = y @ w[f"h.{i}.attn.qkv_proj.weight"].T
        seen = torch.zeros_like(h)
        for head in range(HEADS):
            shard, inside = divmod(head, HEADS // 8)
            local, whole = WIDTH // 8, 3 * WIDTH // 8  # a shard: its queries, its values, its keys
            q, v, k = (qkv[:, shard * whole + j * local + inside * e :][:, :e] for j in range(3))
            for t in range(len(tokens)):
                query = turn(q[t], t)
                scores = torch.stack([query @ turn(k[s], s) for s in range(t + 1)]) / math.sqrt(e)
                seen[t, head * e : (head + 1) * e] = scores.softmax(0) @ v[: t + 1]
        up = y @ w[f"h.{i}.mlp.fc_in.weight"].T + w[f"h.{i}.mlp.fc_in.bias"]
        up = 0.5 * up * (1 + torch.tanh(math.sqrt(2 / math.pi) * (up + 0.044715 * up**3)))
        down = up @ w[f"h.{i}.mlp.fc_out.weight"].T + w[f"h.{i}.mlp.fc_out.bias"]
        h = h + seen @ w[f"h.{i}.attn.out_proj.weight"].T + down
    return norm(h, "ln_f") @ w["lm_head.weight"].T + w["lm_head.bias"]


@pytest.mark.parametrize("conditioning", ["prefix", "additive", "adaln"])
@torch.no_grad()
def test_logits_are_those_of_the_published_model(folder, conditioning):
    """Of our tokens, after the published start mark, whatever the embedding: conditioning starts at nothing."""
    tensors = published()
    made = model(weights=str(folder(tensors)), conditioning=conditioning)
    made.initialise()
    x = proteins(2)
    found = made.logits(x, made.condition(torch.randn(2, LATENT)))
    ours = [token(residue) for residue in range(PROTEIN.size + 1)]
    for row, logits in zip(x.tolist(), found, strict=True):
        expected = by_hand(tensors, [START, *map(token, row[:-1])])[:, ours]
        torch.testing.assert_close(logits.double(), expected, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_logits_are_those_of_codegen(folder):
    """A second formulation, not ours: CodeGen of `transformers` has the same block, with its shards in four."""
    from transformers import CodeGenConfig, CodeGenForCausalLM

    tensors = published()
    config = CodeGenConfig(
        vocab_size=32, n_positions=64, n_embd=WIDTH, n_layer=LAYERS, n_head=HEADS, rotary_dim=ROTARY,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
    )  # fmt: skip
    other, state = CodeGenForCausalLM(config).eval(), dict(tensors)
    for i in range(LAYERS):
        name = f"transformer.h.{i}.attn.qkv_proj.weight"
        query, key, value = in_order(tensors[name]).view(3, 4, WIDTH // 4, WIDTH)
        state[name] = torch.stack([query, value, key], 1).reshape(3 * WIDTH, WIDTH)
    other.load_state_dict(state)
    made, x = model(weights=str(folder(tensors))), proteins(3)
    made.initialise()
    tokens = torch.tensor([[START, *map(token, row[:-1])] for row in x.tolist()])
    expected = other(tokens).logits[..., [token(residue) for residue in range(PROTEIN.size + 1)]]
    torch.testing.assert_close(made.logits(x, made.condition(torch.randn(3, LATENT))), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("layers", "width", "rotary", "size"), [(12, 1024, 32, 604_604_816), (27, 1536, 48, None)], ids=["small", "medium"]
)
def test_published_names_and_shapes(tmp_path, layers, width, rotary, size):
    """Of ProGen2-small and -medium; a file of exactly these is as long as the published one, to the byte."""
    with torch.device("meta"):
        made = ProGen2(
            ProGen2.Options(hidden=width, layers=layers, heads=16, rotary=rotary),
            dim=LENGTH,
            latent_dim=LATENT,
            vocabulary=21,
        )
        tensors = published(width, layers, device="meta")
    expected = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    assert shapes(made, tensors) == expected
    if size:
        header, end = {"__metadata__": {"format": "pt"}}, 0
        for name in sorted(expected):
            begin, end = end, end + 4 * math.prod(expected[name])
            header[name] = {"dtype": "F32", "shape": list(expected[name]), "data_offsets": [begin, end]}
        length = len(json.dumps(header, separators=(",", ":")))
        assert 8 + length + -length % 8 + end == size
    config = {"model_type": "progen", "n_layer": layers, "n_head": 16, "rotary_dim": rotary, "n_inner": None}
    for key in ("n_embd", "embed_dim"):  # both are published
        (tmp_path / "config.json").write_text(json.dumps(config | {key: width}))
        assert read_sizes(tmp_path) == (width, layers, 16, rotary)


def test_constants_of_older_files_and_half_precision(folder):
    tensors = published(rows=40)
    whole = model(weights=str(folder(tensors)))
    whole.initialise()
    old = {name: tensor.half() for name, tensor in tensors.items()}
    for i in range(LAYERS):
        old[f"transformer.h.{i}.attn.bias"] = torch.ones(1, 1, 8, 8, dtype=torch.bool).tril()
        old[f"transformer.h.{i}.attn.masked_bias"] = torch.tensor(-1e9)
    half = model(weights=str(folder(old)))
    half.initialise()
    for a, b in zip(whole.parameters(), half.parameters(), strict=True):
        assert a.dtype == b.dtype == torch.float32
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3)


def test_the_first_step_moves_conditioning_away_from_nothing(folder):
    """Though it starts at nothing its gradient does not, and after a step the embedding has one, too."""
    made = model(weights=str(folder()))
    made.initialise()
    z, x = torch.randn(2, LATENT, requires_grad=True), proteins(8).view(2, 4, LENGTH).to(torch.uint8)
    optimizer = torch.optim.SGD(made.parameters(), lr=0.1)
    made.loss(x, z).backward()
    assert z.grad.abs().sum() == 0 and (made.condition.out.weight.grad.abs().sum(1) > 0).all()
    optimizer.step()
    made.loss(x, z).backward()
    assert (z.grad.abs().sum(1) > 0).all()


def without(name):
    def change(tensors):
        del tensors[name]

    return change


def replaced(name, tensor):
    return lambda tensors: tensors.update({name: tensor})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without("transformer.h.1.mlp.fc_in.bias"), r"h\.1\.mlp\.fc_in\.bias: found no such tensor, expected \(192,\)"),
        (without("transformer.wte.weight"), r"wte\.weight: found no such tensor"),
        (replaced("transformer.ln_f.bias", torch.ones(3)), r"ln_f\.bias: found \(3,\), expected \(48,\)"),
        (replaced("lm_head.bias", torch.ones(20)), r"lm_head\.bias: found \(20,\), expected \(30,\)"),
        (replaced("lm_head.bias", torch.full((32,), torch.nan)), "no finite numbers"),
        (replaced("transformer.h.2.ln_1.bias", torch.ones(WIDTH)), r"h\.2\.ln_1\.bias: found a tensor too many"),
    ],
    ids=["missing", "table", "shape", "rows", "nan", "too many"],
)
def test_other_tensors_are_refused_and_change_nothing(folder, change, said):
    tensors = published()
    change(tensors)
    made = model(weights=str(folder(tensors)))
    before = {k: v.clone() for k, v in made.state_dict().items()}
    with pytest.raises(GdeError, match=said):
        made.initialise()
    assert all(torch.equal(v, before[k]) for k, v in made.state_dict().items())


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"model_type": "gpt2"}, "model_type: found 'gpt2', expected 'progen'; give the directory of a ProGen2"),
        ({"n_layer": 3}, r"h\.2\.ln_1\.weight: found no such tensor"),
        ({"n_embd": 64}, r"h\.0\.ln_1\.weight: found \(48,\), expected \(64,\)"),
        ({"n_embd": "48"}, "n_embd: found '48', expected a whole number >= 1"),
        ({"rotary_dim": 5}, "rotary_dim: found 5, expected an even number up to 6"),
        ({"rotary_dim": 8}, "rotary_dim: found 8, expected an even number up to 6"),
        ({"n_head": 4}, "n_head: found 4, expected a multiple of 8 that divides 48"),
        ({"n_inner": 7}, "n_inner: found 7, expected None or 192"),
        ({"n_positions": "many"}, "n_positions: found 'many', expected a whole number >= 1"),
        ({"activation_function": "relu"}, "activation_function: found 'relu', expected 'gelu_new'"),
    ],
    ids=lambda v: next(iter(v)) if isinstance(v, dict) else "",
)
def test_another_model_is_refused(folder, config, said):
    with pytest.raises(GdeError, match=said):
        model(weights=str(folder(**config))).initialise()


@pytest.mark.parametrize(("positions", "warned"), [(LENGTH + 1, False), (LENGTH, True)])
def test_sequences_that_are_longer_than_what_the_model_has_seen_are_named(folder, caplog, positions, warned):
    """Two vectors before them and all tokens but the last, which nothing follows."""
    model(weights=str(folder(n_positions=positions)), conditioning="prefix", prefix=2).initialise()
    said = f"{LENGTH + 1} positions, prefix and tokens, of which the model has seen {positions} (n_positions)"
    assert (said in caplog.text) == warned


def test_another_alphabet_is_refused(folder):
    with pytest.raises(GdeError, match="an alphabet of 5 tokens, expected the alphabet protein"):
        model(weights=str(folder()), vocabulary=5).initialise()


def test_a_trained_model_needs_no_published_files(folder, tmp_path, no_fsync):
    """The settings need not tell its sizes."""
    path = shutil.copytree(folder(), tmp_path / "published")
    config = {
        "encoder": {"kind": "dna_conv", "hidden": 8, "layers": 1},
        "generator": {"kind": "progen2", "weights": str(path), "conditioning": "prefix", "prefix": 2},
        "latent_dim": LATENT,
        "tokens": {"alphabet": "protein", "length": LENGTH},
    }
    made = GDE(config, mean=torch.zeros(LENGTH), scale=torch.ones(LENGTH)).eval()
    made.generator.initialise()
    made.save(tmp_path / "model")
    shutil.rmtree(path)
    loaded, z = GDE.load(tmp_path / "model"), torch.randn(2, LATENT)
    assert len(loaded.generator.blocks) == LAYERS and loaded.generator.rotary == ROTARY
    assert torch.equal(*(m.sample(z, 5, generator=torch.Generator().manual_seed(0)) for m in (made, loaded)))


def test_the_digest_that_the_settings_tell(folder):
    path = folder()
    digest = hashlib.sha256((path / "model.safetensors").read_bytes()).hexdigest()
    model(weights=str(path), weights_sha256=digest).initialise()
    with pytest.raises(GdeError, match=f"found SHA-256 {digest}, expected 0000"):
        model(weights=str(path), weights_sha256="0" * 64).initialise()


def test_places_only_enter_as_distances(folder):
    """Rotary: the last token's logits are the same when everything stands further on."""
    made = model(layers=1)
    h = torch.randn(2, 6, WIDTH)
    near, far = (made.blocks[0](h, made.rotation[i : i + 6], None)[:, -1] for i in (0, 7))
    torch.testing.assert_close(near, far, rtol=1e-5, atol=1e-5)
    assert (made.blocks[0](h, made.rotation[[0, 2, 4, 6, 8, 9]], None)[:, -1] - near).abs().max() > 1e-3


def test_the_card_tells_what_training_began_with():
    section = {"kind": "progen2", "weights": "resources/weights/progen2_small", "weights_sha256": "ab" * 32}
    assert generator_words(section) == f"progen2 (begun from resources/weights/progen2_small, SHA-256 {'ab' * 8})"
    assert generator_words(section | {"weights": None, "weights_sha256": None}) == "progen2"
    assert generator_words({"kind": "flow"}) == "flow"
