"""Published weights land in our modules: a file of the published layout, against another formulation of the network."""

import hashlib
import math
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from safetensors.torch import save_file
from tokens import sequences, store_of

from gde.errors import GdeError
from gde.generators.hyenadna import HyenaDna
from gde.generators.hyenadna_weights import names, published_shape
from gde.model import GDE
from gde.preflight.obstacles import missing_files
from gde.training import build_models

WIDTH, LAYERS, WITHIN, PLACES, LENGTH = 8, 2, 12, 30, 20  # of the file; LENGTH: of our sequences
SECOND = [f"backbone.layers.{i}.mixer.filter_fn.implicit_filter.{k}.freq" for i in range(LAYERS) for k in (3, 5)]


def published(seed=0) -> dict[str, torch.Tensor]:
    """Random tensors under the names and shapes of a published model with a vocabulary of 12, padded to 16."""
    g = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return 0.5 * torch.randn(*shape, generator=g)

    tensors = {"backbone.embeddings.word_embeddings.weight": normal(16, WIDTH)}
    for i in range(LAYERS):
        layer = f"backbone.layers.{i}"
        for norm in ("norm1", "norm2"):
            tensors |= {f"{layer}.{norm}.weight": 1 + normal(WIDTH), f"{layer}.{norm}.bias": normal(WIDTH)}
        linears = {
            "mixer.in_proj": (3 * WIDTH, WIDTH),
            "mixer.out_proj": (WIDTH, WIDTH),
            "mlp.fc1": (4 * WIDTH, WIDTH),
            "mlp.fc2": (WIDTH, 4 * WIDTH),
            "mixer.filter_fn.implicit_filter.0": (WITHIN, 5),
            "mixer.filter_fn.implicit_filter.2": (WITHIN, WITHIN),
            "mixer.filter_fn.implicit_filter.4": (WITHIN, WITHIN),
            "mixer.short_filter": (3 * WIDTH, 1, 3),
        }
        for name, shape in linears.items():
            tensors |= {f"{layer}.{name}.weight": normal(*shape), f"{layer}.{name}.bias": normal(shape[0])}
        tensors |= {
            f"{layer}.mixer.filter_fn.bias": normal(WIDTH),
            f"{layer}.mixer.filter_fn.implicit_filter.1.freq": 1 + normal(1, WITHIN),
            f"{layer}.mixer.filter_fn.implicit_filter.6.weight": normal(WIDTH, WITHIN),
            f"{layer}.mixer.filter_fn.pos_emb.z": normal(1, PLACES, 5),
            f"{layer}.mixer.filter_fn.pos_emb.t": torch.linspace(0, 1, PLACES)[None, :, None],
            f"{layer}.mixer.filter_fn.modulation.deltas": torch.linspace(-3, -15, WIDTH)[None, None],
        }
    tensors |= {"backbone.ln_f.weight": 1 + normal(WIDTH), "backbone.ln_f.bias": normal(WIDTH)}
    return tensors


def model(vocabulary=5, **options) -> HyenaDna:
    torch.manual_seed(0)
    sizes = {"hidden": WIDTH, "layers": LAYERS, "filter_hidden": WITHIN, "filter_length": PLACES}
    chosen = HyenaDna.Options(**sizes | {"conditioning": "prefix"} | options)
    return HyenaDna(chosen, dim=LENGTH, latent_dim=3, vocabulary=vocabulary)


def loaded(path, tensors, **options) -> HyenaDna:
    save_file({k: v.contiguous() for k, v in tensors.items()}, path)
    made = model(weights=str(path), **options)
    made.initialise()
    return made


def network(tensors, h):
    """The published network on vectors h (t, w), in float64, from its definition: no transform, loops over
    positions."""
    p = {k: v.double() for k, v in tensors.items()}

    def norm(v, name):
        v = (v - v.mean(-1, keepdim=True)) / (v.var(-1, keepdim=True, unbiased=False) + 1e-5).sqrt()
        return v * p[f"{name}.weight"] + p[f"{name}.bias"]

    def linear(v, name):
        return v @ p[f"{name}.weight"].T + p[f"{name}.bias"]

    for i in range(LAYERS):
        layer, steps = f"backbone.layers.{i}", len(h)
        filter_ = f"{layer}.mixer.filter_fn"
        k = p[f"{filter_}.pos_emb.z"][0, :steps]
        for j in (0, 2, 4):
            k = torch.sin(p[f"{filter_}.implicit_filter.1.freq"] * linear(k, f"{filter_}.implicit_filter.{j}"))
        k = k @ p[f"{filter_}.implicit_filter.6.weight"].T
        t, deltas = p[f"{filter_}.pos_emb.t"][0, :steps], p[f"{filter_}.modulation.deltas"][0]
        k = k * (torch.exp(-t * deltas.abs()) + 0.05)  # (t, w)
        u = linear(norm(h, f"{layer}.norm1"), f"{layer}.mixer.in_proj")
        short = torch.stack(
            [
                sum(p[f"{layer}.mixer.short_filter.weight"][:, 0, 2 - d] * u[t - d] for d in range(3) if t >= d)
                for t in range(steps)
            ]
        )
        x0, x1, v = (short + p[f"{layer}.mixer.short_filter.bias"]).split(WIDTH, 1)
        v = v * x1
        y = torch.stack([sum(k[t - s] * v[s] for s in range(t + 1)) for t in range(steps)])
        h = h + linear(x0 * (y + p[f"{filter_}.bias"] * v), f"{layer}.mixer.out_proj")
        a = linear(norm(h, f"{layer}.norm2"), f"{layer}.mlp.fc1")
        a = 0.5 * a * (1 + torch.tanh(math.sqrt(2 / math.pi) * (a + 0.044715 * a**3)))
        h = h + linear(a, f"{layer}.mlp.fc2")
    return norm(h, "backbone.ln_f")


@torch.no_grad()
def test_logits_are_those_of_the_published_network(tmp_path):
    """A C G T N are rows 7 to 11 of the published vocabulary, the end mark its [SEP], row 1."""
    tensors = published()
    made = loaded(tmp_path / "model.safetensors", tensors)
    x = torch.randint(1, 6, (1, LENGTH), generator=torch.Generator().manual_seed(1))
    condition = made.condition(torch.randn(1, 3))
    table = tensors["backbone.embeddings.word_embeddings.weight"].double()
    vectors = torch.cat([condition.prefix[0].double(), table[x[0, :-1] + 6]])
    expected = network(tensors, vectors) @ table[[1, 7, 8, 9, 10, 11]].T
    torch.testing.assert_close(made.logits(x, condition)[0].double(), expected, rtol=1e-4, atol=1e-4)


def test_the_map_covers_the_file_and_the_model():
    own, tensors, known = model().state_dict(), published(), names(LAYERS)
    assert set(known.values()) == set(tensors)
    assert {name for name in own if not name.startswith("condition.")} == set(known)
    for ours, theirs in known.items():
        assert published_shape(theirs, own[ours]) == tuple(tensors[theirs].shape)


@pytest.mark.parametrize("prefix", ["hyena.", "model."])
def test_prefixes_second_names_and_the_tied_output_are_known(tmp_path, prefix):
    tensors = published()
    more = {prefix + k: v for k, v in tensors.items()}
    more |= {prefix + k: tensors[k.replace(".3.", ".1.").replace(".5.", ".1.")].clone() for k in SECOND}
    more["lm_head.weight"] = tensors["backbone.embeddings.word_embeddings.weight"].clone()
    plain, other = loaded(tmp_path / "a.safetensors", tensors), loaded(tmp_path / "b.safetensors", more)
    assert all(torch.equal(v, other.state_dict()[k]) for k, v in plain.state_dict().items())


def test_what_follows_the_embedding_stays(tmp_path):
    before, after = model().state_dict(), loaded(tmp_path / "m.safetensors", published()).state_dict()
    changed = {k for k in before if not torch.equal(before[k], after[k])}
    assert changed.isdisjoint(k for k in before if k.startswith("condition."))
    assert {k for k in before if k.endswith("weight") and not k.startswith("condition.")} <= changed


LAYER = "backbone.layers.1"
WRONG = {
    "missing": (lambda t: t.pop(f"{LAYER}.mixer.in_proj.bias"), rf"{LAYER}.mixer.in_proj.bias: found no such tensor"),
    "unknown": (
        lambda t: t.update({"backbone.layers.2.norm1.bias": torch.ones(8)}),
        "layers.2.norm1.bias: found a tensor",
    ),
    "shape": (
        lambda t: t.update({f"{LAYER}.norm1.bias": torch.ones(9)}),
        r"norm1.bias: found \(9,\), expected \(8,\)",
    ),
    "nan": (lambda t: t[f"{LAYER}.mlp.fc1.weight"].fill_(math.nan), "fc1.weight: found values that are no finite"),
    "other frequency": (
        lambda t: t.update({SECOND[0]: torch.zeros(1, WITHIN)}),
        r"implicit_filter.3.freq: found other values",
    ),
    "untied": (lambda t: t.update({"lm_head.weight": torch.zeros(16, 8)}), "lm_head.weight: found other values"),
}


@pytest.mark.parametrize(("change", "message"), WRONG.values(), ids=WRONG)
def test_errors_name_the_tensor_and_change_nothing(tmp_path, change, message):
    tensors, path = published(), tmp_path / "model.safetensors"
    change(tensors)
    save_file(tensors, path)
    made = model(weights=str(path))
    before = {k: v.clone() for k, v in made.state_dict().items()}
    with pytest.raises(GdeError, match=message):
        made.initialise()
    assert all(torch.equal(v, before[k]) for k, v in made.state_dict().items())


@pytest.mark.parametrize(
    ("options", "setting"),
    [
        ({"filter_length": 25}, "generator.filter_length"),
        ({"filter_hidden": 16}, "generator.filter_hidden"),
        ({"hidden": 16}, "generator.hidden"),
        ({"vocabulary": 21}, "alphabet of 21 tokens"),
    ],
)
def test_errors_name_the_setting(tmp_path, options, setting):
    with pytest.raises(GdeError, match=setting):
        loaded(tmp_path / "m.safetensors", published(), **options)


def test_only_safetensors_are_read(tmp_path):
    torch.save({"a": torch.ones(1)}, tmp_path / "model.bin")
    (tmp_path / "cut.safetensors").write_bytes(b"\x08\x00\x00\x00")
    for name, message in (("model.bin", "pickle"), ("cut.safetensors", "damaged"), ("none", "no such file")):
        with pytest.raises(GdeError, match=message):
            model(weights=str(tmp_path / name)).initialise()


def test_the_file_must_be_the_one_that_is_meant(tmp_path):
    path = tmp_path / "m.safetensors"
    loaded(path, published())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    model(weights=str(path), weights_sha256=digest).initialise()
    with pytest.raises(GdeError, match=f"SHA-256 {digest}"):
        model(weights=str(path), weights_sha256="0" * 64).initialise()


def test_a_missing_file_is_found_before_the_workflow_starts(tmp_path):
    root, path = Path(__file__).resolve().parents[2], tmp_path / "m.safetensors"
    resolved = {"dataset": {"kind": "mvn", "dim": 2}, "encoder": {"kind": "dna_conv"}}
    resolved |= {"generator": {"kind": "hyenadna", "weights": str(path)}, "evaluation": {"kind": "simulated"}}
    (problem,) = missing_files({"own": resolved}, root)
    where = "config/experiments/own.yaml: generator.weights"
    assert str(problem).startswith(f"{where}: found no file or directory '{path}'")
    path.touch()
    assert list(missing_files({"own": resolved}, root)) == []


def test_training_starts_from_the_file(tmp_path, no_fsync):
    """And so does the running average; the model is then loaded without it."""
    tensors, path = published(), tmp_path / "m.safetensors"
    save_file(tensors, path)
    section = {"kind": "hyenadna", "hidden": WIDTH, "layers": LAYERS, "filter_hidden": WITHIN, "filter_length": PLACES}
    section |= {"weights": str(path), "weights_sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    changes = {"encoder": {"kind": "dna_conv", "hidden": 8, "layers": 1}, "generator": section}
    dataset = {"kind": "sequences", "path": "mine.fasta", "groupby": ["tissue"]}
    config = tiny.experiment(changes, name="mine", dataset=dataset, evaluation={"kind": "sequences"})
    store = store_of(sequences(40, LENGTH), np.repeat(np.arange(4), 10), tmp_path / "sets")
    models = build_models(config, store, torch.device("cpu"))
    path.unlink()
    models[0].save(tmp_path / "model")
    for made in (*models, GDE.load(tmp_path / "model")):
        assert torch.equal(made.generator.blocks[1].up.weight, tensors["backbone.layers.1.mlp.fc1.weight"])


def test_no_weights_are_no_change():
    made = model()
    before = {k: v.clone() for k, v in made.state_dict().items()}
    made.initialise()
    assert all(torch.equal(v, before[k]) for k, v in made.state_dict().items())
