"""GPT-2 from a published directory: its subwords without loss of a byte, its logits, and token by token without it."""

import json
import random
import shutil
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import GPT2Config, GPT2LMHeadModel, GPT2TokenizerFast

from gde.errors import GdeError
from gde.evaluate.shared.likelihood import Scored, beginnings
from gde.evaluate.shared.markov import symbols
from gde.generators.gpt2 import Gpt2
from gde.generators.gpt2_subwords import TOKENS, BytePairs
from gde.model import GDE
from gde.pretrained.weights import further_files
from gde.sets.types.alphabet import ALPHABETS

PAIRS = ["t h", "th e", "Ġ the", "i n", "Ġ c", "Ã ©", "a t", "Ġc at", "e r", "in g"]
SPELLED = [bytes([b]) for b in sorted(TOKENS, key=lambda b: ord(TOKENS[b]))]  # GPT-2's order: those it can print first
WORDS, WIDTH, LAYERS, LATENT, LENGTH = 256 + 10 + 1, 16, 2, 3, 40
TEXTS = [
    "the cat in the hat",
    " the thin cats, singing: 'we'll 3 x 7!'\n\n  the end\t",
    "café über naïve 日本語 🧬",
    "",
    "a",
]


@pytest.fixture(scope="module", params=["vocab.json", "tokenizer.json"])
def folder(request, tmp_path_factory):
    """A published model: small, of random weights, its subwords in one layout or the other."""
    path = tmp_path_factory.mktemp("gpt2")
    order = {text.decode("latin-1"): i for i, text in enumerate(SPELLED)}
    vocabulary = {TOKENS[ord(residue)]: i for residue, i in order.items()}
    for pair in PAIRS:
        vocabulary[pair.replace(" ", "")] = len(vocabulary)
    vocabulary["<|endoftext|>"] = len(vocabulary)
    assert len(vocabulary) == WORDS
    if request.param == "vocab.json":
        (path / "vocab.json").write_text(json.dumps(vocabulary))
        (path / "merges.txt").write_text("#version: 0.2\n" + "\n".join(PAIRS) + "\n")
    else:
        merges = [pair.split() for pair in PAIRS]
        (path / "tokenizer.json").write_text(
            json.dumps({"model": {"type": "BPE", "vocab": vocabulary, "merges": merges}})
        )
    torch.manual_seed(0)
    sizes = {"n_embd": WIDTH, "n_layer": LAYERS, "n_head": 4, "n_positions": 64, "vocab_size": WORDS}
    model = GPT2LMHeadModel(GPT2Config(**sizes, initializer_range=0.3))
    model.save_pretrained(path)
    return path


def published(folder) -> GPT2LMHeadModel:
    """The model itself. (Not by `from_pretrained`: torch, if that is the first to ask it for the functions that make
    tensors, keeps a replaced `linspace` among them, and later makes the true one's on the wrong device.)"""
    made = GPT2LMHeadModel(GPT2Config.from_json_file(folder / "config.json"))
    made.load_state_dict(load_file(folder / "model.safetensors"), strict=False)
    made.tie_weights()
    return made.eval()


def model(folder, vocabulary=255, **options) -> Gpt2:
    torch.manual_seed(1)
    chosen = Gpt2.Options(weights=str(folder), **{"max_subwords": 30} | options)
    made = Gpt2(chosen, dim=LENGTH, latent_dim=LATENT, vocabulary=vocabulary)
    made.initialise()
    return made


def residues(texts: list[str | bytes]) -> torch.Tensor:
    """Tokens (1, n, LENGTH) of texts, longer ones cut at a byte."""
    rows = torch.zeros(1, len(texts), LENGTH, dtype=torch.uint8)
    for row, text in zip(rows[0], texts, strict=True):
        raw = (text.encode() if isinstance(text, str) else text)[:LENGTH]
        row[: len(raw)] = torch.tensor(list(raw), dtype=torch.uint8)
    return rows


def test_words_are_the_tokenizers(folder):
    """As `transformers` cuts texts with the same files."""
    pairs = BytePairs(WORDS)
    pairs.read(folder)
    merges = [tuple(pair.split()) for pair in PAIRS]
    vocabulary = {"".join(TOKENS[b] for b in pairs.text([i])): i for i in range(WORDS - 1)}
    other = GPT2TokenizerFast(vocab=vocabulary | {"<|endoftext|>": WORDS - 1}, merges=merges)
    for text in TEXTS:
        assert pairs.subwords(text.encode()) == other.encode(text)
    assert len(pairs.subwords(b" the cat")) == 2


def test_no_byte_is_lost(folder):
    """Text, and any bytes: those that are no UTF-8, also a token that is cut, are subwords of their own."""
    pairs, rng = BytePairs(WORDS), random.Random(0)
    pairs.read(folder)
    for raw in [
        *map(str.encode, TEXTS),
        "é".encode()[:1],
        b"the\xff\xfe the",
        bytes(range(256)),
        *(rng.randbytes(50) for _ in range(50)),
    ]:
        assert pairs.text(pairs.subwords(raw)) == raw
    assert pairs.with_nul == [SPELLED.index(b"\0")]


def test_letters_to_words_and_back(folder):
    made, x = model(folder), residues([t for t in TEXTS if t])
    subwords = made.subwords(x[0].long())
    assert subwords.shape == (4, 30) and (subwords[0] != 0).sum() < len(TEXTS[0])
    whole = (subwords[:, -1] == 0).nonzero()[:, 0]  # none of whose subwords was cut
    assert len(whole) >= 2
    assert torch.equal(made.spelled(subwords)[whole], x[0, whole])
    cats = made.spelled(torch.full((1, 30), 1 + WORDS - 4))  # more tokens than there is room for
    assert bytes(cats[0].tolist()) == b" cat" * (LENGTH // 4)


@pytest.mark.parametrize("conditioning", ["prefix", "additive", "adaln"])
@torch.no_grad()
def test_logits_are_those_of_the_published_model(folder, conditioning):
    """After its end mark, whatever the embedding; ours has the end mark first, and never the byte of zeros."""
    made, other = model(folder, conditioning=conditioning), published(folder)
    subwords = made.subwords(residues([TEXTS[0], TEXTS[2]])[0].long())
    found = made.logits(subwords, made.condition(torch.randn(2, LATENT)))
    expected = other(torch.cat([torch.full((2, 1), WORDS - 1), (subwords[:, :-1] - 1) % WORDS], 1)).logits.roll(1, -1)
    nul = 1 + SPELLED.index(b"\0")
    assert (found[..., nul] == -torch.inf).all()
    seen = subwords.cumprod(1).bool()  # what stands behind the end is of no account
    keep = torch.arange(WORDS) != nul
    torch.testing.assert_close(found[seen][:, keep], expected[seen][:, keep], rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_the_likelihood_of_a_text_is_that_of_its_words(folder):
    made, z, x = model(folder), torch.randn(1, LATENT), residues([TEXTS[0], "a", TEXTS[2], TEXTS[1]])
    found = made.log_prob(x, z)[0]
    for text, value in zip((TEXTS[0], "a"), found, strict=False):
        numbers = made.spelling.subwords(text.encode())
        logits = made.logits(made.subwords(residues([text])[0].long()), made.condition(z))[0].log_softmax(-1)
        first = made.logits(made.subwords(residues([text])[0].long()), made.condition(z))[0, 0, 1:].log_softmax(-1)
        expected = (
            first[numbers[0]] + sum(logits[t, 1 + w] for t, w in enumerate(numbers) if t) + logits[len(numbers), 0]
        )
        torch.testing.assert_close(value, expected, rtol=1e-4, atol=1e-4)
    assert float(made.loss(x, z)) == pytest.approx(-float(found.mean()) / LENGTH, rel=1e-5)


@torch.no_grad()
def test_samples_are_texts(folder):
    made, z = model(folder), torch.randn(2, LATENT)
    x = made.sample(z, 40, generator=torch.Generator().manual_seed(0))
    assert x.shape == (2, 40, LENGTH) and x.dtype == torch.uint8 and (x[..., 0] > 0).all()
    assert (x[(x == 0).cumsum(-1) > 0] == 0).all()
    assert torch.equal(x, made.sample(z, 40, generator=torch.Generator().manual_seed(0)))
    assert len(set(ALPHABETS["text"].decode(x.flatten(0, 1).numpy()))) > 40


def test_padding_has_no_part(folder):
    """Neither behind the end of a text nor of its subwords: the same loss and gradients with more room for both."""
    found = []
    for most in (20, 30):
        made, z = model(folder, max_subwords=most, prefix=1), torch.ones(1, LATENT)
        loss = made.loss(residues(["the cat", "in the hat"]), z)
        found.append(
            (loss, torch.autograd.grad(loss, [made.token_embedding.weight, made.network.h[0].attn.c_attn.weight]))
        )
    torch.testing.assert_close(found[0], found[1], rtol=1e-5, atol=1e-6)


def test_a_trained_model_needs_no_published_files(folder, tmp_path, no_fsync):
    """Its subwords and sizes travel with it."""
    path = shutil.copytree(folder, tmp_path / "published")
    config = {
        "encoder": {"kind": "dna_conv", "hidden": 8, "layers": 1},
        "generator": {"kind": "gpt2", "weights": str(path), "max_subwords": 30},
        "latent_dim": LATENT,
        "tokens": {"alphabet": "text", "length": LENGTH},
    }
    torch.manual_seed(0)
    made = GDE(config, mean=torch.zeros(LENGTH), scale=torch.ones(LENGTH)).eval()
    made.generator.initialise()
    made.save(tmp_path / "model")
    shutil.rmtree(path)
    loaded, z, x = (
        GDE.load(tmp_path / "model"),
        torch.randn(2, LATENT),
        residues(["the cat", "in the hat"]).expand(2, -1, -1),
    )
    assert torch.equal(made.generator.log_prob(x, z), loaded.generator.log_prob(x, z))
    assert torch.equal(*(m.sample(z, 5, generator=torch.Generator().manual_seed(0)) for m in (made, loaded)))


@pytest.mark.parametrize(
    ("config", "options", "said"),
    [
        ({"model_type": "bert"}, {}, "model_type: found 'bert', expected 'gpt2'; give the directory of a GPT-2"),
        ({"n_embd": 32}, {}, r"wpe.weight: found \(64, 16\), expected \(64, 32\)"),
        ({"vocab_size": 300}, {}, r"wte.weight: found \(267, 16\), expected \(300, 16\)"),
        ({"vocab_size": 20}, {}, "vocab_size: found 20, expected 256 bytes, joined pairs and an end mark"),
        ({"n_head": 3}, {}, "n_head: found 3, expected a divisor of 16"),
        (
            {},
            {"prefix": 40, "conditioning": "prefix"},
            r"found 64 positions, expected 69, prefix and subwords; lower generator",
        ),
        ({}, {"vocabulary": 5}, "an alphabet of 5 tokens, expected texts"),
    ],
    ids=["kind", "width", "words", "few subwords", "heads", "positions", "alphabet"],
)
def test_another_model_is_refused(folder, tmp_path, config, options, said):
    path = shutil.copytree(folder, tmp_path / "published")
    (path / "config.json").write_text(json.dumps(json.loads((path / "config.json").read_text()) | config))
    with pytest.raises(GdeError, match=said):
        model(path, **options)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda v: v.update({"the": 300}), "other subwords"),
        (lambda v: v.pop("!"), "other subwords"),
        (lambda v: v.update({"more": WORDS}), "other subwords .*268 subwords, 10 joined pairs"),
    ],
    ids=["order", "byte", "more"],
)
def test_other_words_are_refused(folder, tmp_path, change, said):
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    name = "vocab.json" if (folder / "vocab.json").exists() else "tokenizer.json"
    table = json.loads((folder / name).read_text())
    change(table if name == "vocab.json" else table["model"]["vocab"])
    (tmp_path / name).write_text(json.dumps(table))
    with pytest.raises(GdeError, match=rf"{name}: found {said}"):
        model(tmp_path)


def test_tensors_that_are_missing_are_named(folder, tmp_path):
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    tensors = load_file(tmp_path / "model.safetensors")
    del tensors["transformer.h.1.mlp.c_fc.bias"]
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(GdeError, match=r"h\.1\.mlp\.c_fc\.bias: found no such tensor, expected \(64,\)"):
        model(tmp_path)


def test_without_weights_it_is_letter_by_letter():
    """Bytes in, bytes out: no tokenizer is needed."""
    made = Gpt2(Gpt2.Options(hidden=8, layers=1, heads=2), dim=LENGTH, latent_dim=LATENT, vocabulary=255)
    x = residues([b"\xff\xfe the", "café"])
    assert made.subwords(x[0].long()).equal(x[0].long()) and made.token_embedding.weight.shape[0] == 256
    assert made.loss(x, torch.zeros(1, LATENT)).isfinite()
    assert made.sample(torch.zeros(1, LATENT), 3).shape == (1, 3, LENGTH)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("scale_attn_by_inverse_layer_idx", True),
        ("reorder_and_upcast_attn", True),
        ("scale_attn_weights", False),
        ("layer_norm_epsilon", 1e-3),
    ],
)
def test_another_network_of_the_same_shapes_is_refused(folder, tmp_path, key, value):
    shutil.copytree(folder, tmp_path / "other")
    config = json.loads((folder / "config.json").read_text()) | {key: value}
    (tmp_path / "other/config.json").write_text(json.dumps(config))
    with pytest.raises(GdeError, match=key):
        model(tmp_path / "other")


def test_an_output_of_its_own_is_refused(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "other")
    tensors = load_file(folder / "model.safetensors")
    table = next(tensors[name] for name in tensors if name.endswith("wte.weight"))
    save_file(tensors | {"lm_head.weight": table + 1}, tmp_path / "other/model.safetensors")
    with pytest.raises(GdeError, match="another table of subwords"):
        model(tmp_path / "other")


@torch.no_grad()
def test_of_a_text_with_too_many_words_the_beginning_is_scored(folder):
    """So that what has no position does not count as certain."""
    made, x = model(folder, max_subwords=6), residues([TEXTS[0], "a"])
    covered = made.covered(x[0])
    cut = bytes(covered[0].tolist()).rstrip(b"\0").decode()
    assert TEXTS[0].startswith(cut) and 6 <= len(cut) < len(TEXTS[0])
    assert torch.equal(covered[1], x[0, 1])
    z = torch.randn(1, LATENT)
    torch.testing.assert_close(made.log_prob(covered[None], z), made.log_prob(x, z))


def test_the_words_are_in_the_files_that_a_run_is_of(folder, tmp_path):
    for file in further_files("gpt2", folder):
        shutil.copy(file, tmp_path)
    alone, whole = BytePairs(WORDS), BytePairs(WORDS)
    alone.read(tmp_path)
    whole.read(folder)
    assert [alone.subwords(t.encode()) for t in TEXTS] == [whole.subwords(t.encode()) for t in TEXTS]
    assert len(list(tmp_path.iterdir())) == (3 if (folder / "vocab.json").is_file() else 2)


ENDS = {"an end": ("a cat", 40, True), "a full row": ("in the hat in the hat in the hat in the", 39, False)}
ENDS |= {"subwords enough": ("the thin cats, singing", 40, False)}


@pytest.mark.parametrize("case", ENDS)
@torch.no_grad()
def test_model_and_baselines_score_the_same_symbols(folder, case):
    """A text that fills its row, and one with as many subwords as there are positions, have no end to be predicted: the
    end's logits change nothing, and its baselines have no end, either."""
    text, length, ended = ENDS[case]
    x = torch.from_numpy(ALPHABETS["text"].pad([text], length))[None]
    torch.manual_seed(0)
    made = Gpt2(Gpt2.Options(weights=str(folder), max_subwords=8), dim=length, latent_dim=LATENT)
    made.initialise()
    assert made.ends(x[0]).tolist() == [ended]
    z, scores = torch.randn(1, LATENT), made.scores
    one = Scored(z[0].numpy(), x[0].numpy())
    found = beginnings(SimpleNamespace(generator=made), one)
    assert found.ended.tolist() == [ended]
    residues = int((found.covered != 0).sum())
    assert symbols(found.part, found.ended).tolist() == [residues + ended]
    before = made.log_prob(x, z), made.loss(x, z)
    made.scores = lambda h: scores(h) - 5 * (torch.arange(WORDS) == 0)  # the end made less likely
    after = made.log_prob(x, z), made.loss(x, z)
    likelier = after[0] > before[0] if not ended else after[0] < before[0]
    assert likelier.all()  # others gain what the end loses, which counts where it is there
    assert (after[1] < before[1]) == (not ended)
    assert found.per_symbol(before[0][0].numpy()) == pytest.approx(float(before[0]) / (residues + ended))
