"""Encoders behind language models: what they say of a sequence, what is trained, saved and refused."""

import copy
import json
import pickle

import numpy as np
import published
import pytest
import torch
from safetensors.torch import load_file, save_file

from gde.encoders.protein_lm import ProteinLm
from gde.encoders.text_lm import TextLm
from gde.errors import GdeError
from gde.model import GDE
from gde.sets.alphabet import ALPHABETS

PROTEIN, TEXT = ALPHABETS["protein"], ALPHABETS["text"]
SEQUENCES = ["MKV", "ACDEFGHIKLMNPQRSTVWYX", "G", "MKVLLAXX", "MKV"]
TEXTS = ["The viruses of the spike.", "cafés", "the", "spikes of virus of spikes"]
LENGTH = 32
MODES = ("frozen", "full", "lora")


@pytest.fixture(autouse=True)
def no_cache(monkeypatch):
    """Each encoder computes for itself: no directory, and none that another test has filled."""
    monkeypatch.delenv("GDE_LM_CACHE", raising=False)
    monkeypatch.setattr("gde.lm_cache._opened", {})


@pytest.fixture
def esm(tmp_path):
    path = tmp_path / "esm2"
    return path, published.esm2(path)


def proteins(length=LENGTH, sequences=SEQUENCES):
    return torch.from_numpy(PROTEIN.pad(sequences, length))


def protein_lm(path, mode, *, length=LENGTH, then=None, **options):
    torch.manual_seed(1)
    then = then or {"kind": "resnet", "hidden": 16}
    made = ProteinLm(length, 7, then=then, mode=mode, weights=None if path is None else str(path), **options)
    made.initialise()
    return made


@pytest.mark.parametrize("mode", MODES)
def test_a_protein_is_the_mean_of_esm2_over_its_residues(esm, mode):
    path, model = esm
    found = protein_lm(path, mode).vectors(proteins())
    expected = torch.stack([published.esm_mean(model, s) for s in SEQUENCES])
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    assert (found[0] - found[1]).abs().max() > 0.1


def test_residues_are_numbered_as_esm2_does():
    """Against the vocabulary of the published tokenizer, written out."""
    words = ["<cls>", "<pad>", "<eos>", "<unk>", *"LAGVSERTIDPKQNFYMHWCXBUZO.-", "<null_1>", "<mask>"]
    made = protein_lm(None, "full")
    tokens, there = made.tokenise(proteins(sequences=[PROTEIN.letters, "A"]).numpy())
    assert [words[i] for i in tokens[0]] == ["<cls>", *PROTEIN.letters, "<eos>"]
    assert [words[i] for i in tokens[1]] == ["<cls>", "A", "<eos>", *["<pad>"] * 20]
    assert there.sum(1).tolist() == [23, 3]


@pytest.mark.parametrize("mode", MODES)
def test_padding_changes_nothing(esm, mode):
    """Neither longer rows, nor longer sequences beside, nor letters behind the end."""
    made = protein_lm(esm[0], mode)
    alone = torch.cat([made.vectors(proteins(len(s), [s])) for s in SEQUENCES])
    torch.testing.assert_close(made.vectors(proteins(300)), alone, rtol=1e-5, atol=1e-5)
    dirty = proteins()
    dirty[0, 4:] = 9
    torch.testing.assert_close(made.vectors(dirty)[0], alone[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("mode", ["full", "lora"])
def test_pieces_change_neither_vectors_nor_gradients(esm, mode, monkeypatch):
    made = protein_lm(esm[0], mode, rank=2)
    x = proteins()[None]
    whole = made(x)
    expected = torch.autograd.grad(whole.square().sum(), list(made.parameters()))
    monkeypatch.setattr("gde.encoders.language_model.PLACES_AT_ONCE", {"cpu": 25})
    pieces = made(x)
    torch.testing.assert_close(pieces, whole, rtol=1e-4, atol=1e-5)
    for a, b in zip(torch.autograd.grad(pieces.square().sum(), list(made.parameters())), expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


def test_frozen_and_adapters_at_first_and_full_say_the_same(esm):
    z = [protein_lm(esm[0], mode)(proteins()[None]) for mode in MODES]
    torch.testing.assert_close(z[0], z[1], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(z[0], z[2], rtol=1e-4, atol=1e-5)


def test_what_is_trained(esm):
    """Frozen: the set encoder; lora: adapters too, and nothing of the model itself; full: all of it."""
    names = {}
    for mode in MODES:
        made = protein_lm(esm[0], mode, rank=3)
        names[mode] = {name.partition(".")[0] for name, p in made.named_parameters() if p.requires_grad}
        optimizer = torch.optim.Adam(made.parameters(), 0.01)
        for _ in range(3):
            optimizer.zero_grad()
            made(proteins()[None]).square().sum().backward()
            assert all(p.grad is not None and p.grad.isfinite().all() for p in made.parameters())
            optimizer.step()
        if mode == "lora":
            assert all(p.grad.abs().sum() > 0 for p in made.adapters.parameters())
            assert len(made.adapters) == 4  # queries and values of two blocks
            assert all(p.grad is None for p in made.shared.on(torch.device("cpu")).parameters())
            moved = made.vectors(proteins()) - protein_lm(esm[0], mode, rank=3).vectors(proteins())
            assert moved.abs().max() > 1e-4
    assert names == {"frozen": {"then"}, "lora": {"then", "adapters"}, "full": {"then", "network"}}


def test_adapters_are_the_product_of_two_thin_matrices(esm):
    """Against the model with W + B A in the place of W."""
    made = protein_lm(esm[0], "lora", rank=3)
    with torch.no_grad():
        for p in made.adapters.parameters():
            p.normal_(generator=torch.Generator().manual_seed(len(p)))
    model = copy.deepcopy(esm[1])
    with torch.no_grad():
        for i, layer in enumerate(model.esm.encoder.layer):
            maps = layer.attention.self.query, layer.attention.self.value
            for own, adapter in zip(maps, made.adapters[2 * i : 2 * i + 2], strict=True):
                own.weight += adapter.up @ adapter.down
    expected = torch.stack([published.esm_mean(model, s) for s in SEQUENCES])
    torch.testing.assert_close(made.vectors(proteins()), expected, rtol=1e-4, atol=1e-4)


def test_copies_share_what_never_changes_and_nothing_else(esm):
    frozen = protein_lm(esm[0], "frozen")
    frozen.vectors(proteins())
    assert copy.deepcopy(frozen).known() is frozen.known()
    made = protein_lm(esm[0], "lora")
    twin = copy.deepcopy(made)
    assert twin.shared is made.shared
    with torch.no_grad():
        for p in twin.adapters.parameters():
            p += 1.0
    torch.testing.assert_close(made.vectors(proteins()), protein_lm(esm[0], "lora").vectors(proteins()))
    assert (twin.vectors(proteins()) - made.vectors(proteins())).abs().max() > 0.01


@pytest.mark.parametrize("mode", MODES)
def test_units_are_those_of_the_training_samples(esm, mode):
    made = protein_lm(esm[0], mode, then={"kind": "mean"})
    x = proteins(sequences=["MKV", "ACD", "WWWW", "GGG", "LKLKLK"])
    made.fit(x)
    with torch.no_grad():
        features = made.prepare(x[None])[0]
    torch.testing.assert_close(features.mean(0), torch.zeros(16), rtol=0, atol=1e-5)
    if mode == "frozen":
        torch.testing.assert_close(features.std(0, correction=0), torch.ones(16), rtol=1e-3, atol=1e-3)
    assert features.std(0, correction=0).max() < 1.01


@pytest.mark.parametrize("then", ["kernel_mean", "pca_mean"])
def test_set_encoders_with_constants_of_the_data_get_them(esm, then):
    made = protein_lm(esm[0], "frozen", then={"kind": then})
    before = copy.deepcopy(made.then.state_dict())
    made.fit(proteins(sequences=["MKV", "ACD", "WWWW", "GGG", "LKLKLK", "MMMM", "PQR", "STV"]))
    assert any(not torch.equal(v, before[k]) for k, v in made.then.state_dict().items())


def test_published_text_goes_through_its_word_pieces(tmp_path):
    """[CLS] of BertModel called plainly with the numbers that the word pieces have, one text at a time."""
    model = published.bert(tmp_path / "bert")
    made = TextLm(48, 5, then={"kind": "mean"}, mode="frozen", weights=str(tmp_path / "bert"))
    pieces = [
        "the virus ##es of the spike .",
        "caf ##es",
        "the",
        "spike ##s of virus of spike ##s",
    ]
    ids = [[2, *(published.WORDS.index(w) for w in text.split()), 3] for text in pieces]
    x = torch.from_numpy(TEXT.pad(TEXTS, 48))
    tokens, there = made.tokenise(x.numpy())
    assert [row[: n.sum()].tolist() for row, n in zip(tokens, there, strict=True)] == ids
    with torch.no_grad():
        states = [model.bert(torch.tensor([row])).last_hidden_state[0] for row in ids]
    torch.testing.assert_close(made.vectors(x), torch.stack([s[0] for s in states]), rtol=1e-5, atol=1e-5)
    mean = TextLm(48, 5, then={"kind": "mean"}, mode="full", weights=str(tmp_path / "bert"), pooling="mean")
    mean.initialise()
    torch.testing.assert_close(
        mean.vectors(x).detach(), torch.stack([s[1:-1].mean(0) for s in states]), rtol=1e-5, atol=1e-5
    )


def test_long_texts_are_cut_at_the_places_of_the_model(tmp_path):
    published.bert(tmp_path / "bert")
    made = TextLm(400, 5, then={"kind": "mean"}, mode="frozen", weights=str(tmp_path / "bert"))
    assert made.places == 24
    long, cut = " ".join(["the spike"] * 30), " ".join(["the spike"] * 11)
    x = torch.from_numpy(TEXT.pad([long, cut], 400))
    assert torch.equal(*made.vectors(x))
    short = TextLm(400, 5, then={"kind": "mean"}, hidden=16, places=10)
    x = torch.from_numpy(TEXT.pad(["abcdefgh and more", "abcdefgh", "abcdefg"], 400))
    z = short.vectors(x)
    assert torch.equal(z[0], z[1])
    assert not torch.equal(z[0], z[2])


def test_tokenizer_json_is_preferred_and_checked(tmp_path):
    from gde.encoders.text_lm import word_pieces

    path = tmp_path / "bert"
    published.bert(path)
    made = word_pieces(path / "vocab.txt", True)
    made.enable_truncation(4)
    made.save(str(path / "tokenizer.json"))
    (path / "vocab.txt").unlink()
    encoder = TextLm(48, 5, then={"kind": "mean"}, mode="frozen", weights=str(path))
    assert encoder.tokenise(TEXT.pad(["the viruses of the spike"], 48))[0].shape == (1, 8)
    (path / "tokenizer.json").write_text("{")
    with pytest.raises(GdeError, match=r"tokenizer\.json: found no tokenizer"):
        TextLm(48, 5, then={"kind": "mean"}, mode="frozen", weights=str(path))
    (path / "tokenizer.json").unlink()
    with pytest.raises(GdeError, match=r"bert: found neither tokenizer\.json nor vocab\.txt"):
        TextLm(48, 5, then={"kind": "mean"}, mode="frozen", weights=str(path))
    (path / "vocab.txt").write_text("\n".join([*published.WORDS, "more"]))
    with pytest.raises(GdeError, match=r"vocab\.txt: found 15 tokens, expected at most 14"):
        TextLm(48, 5, then={"kind": "mean"}, mode="frozen", weights=str(path))


def model_of(path, mode, kind="protein_lm", alphabet="protein", **options):
    encoder = {"kind": kind, "mode": mode, "then": {"kind": "resnet", "hidden": 16}} | options
    if path is not None:
        encoder["weights"] = str(path)
    config = {
        "encoder": encoder,
        "generator": {"kind": "gpt", "hidden": 8, "layers": 1, "heads": 2},
        "latent_dim": 5,
        "tokens": {"alphabet": alphabet, "length": LENGTH},
    }
    torch.manual_seed(3)
    model = GDE(config, mean=[0.0] * LENGTH, scale=[1.0] * LENGTH)
    model.encoder.initialise()
    x = proteins() if alphabet == "protein" else torch.from_numpy(TEXT.pad(TEXTS, LENGTH))
    model.encoder.fit(x)
    with torch.no_grad():
        for p in model.parameters():
            p += 0.05 * torch.randn_like(p)
    return model.eval(), x[None]


@pytest.mark.parametrize("mode", [*MODES, "scratch"])
@pytest.mark.parametrize("kind", ["protein_lm", "text_lm"])
def test_saved_and_loaded_models_agree_bit_for_bit(tmp_path, kind, mode):
    path = None if mode == "scratch" else tmp_path / "published"
    if path is not None:
        (published.esm2 if kind == "protein_lm" else published.bert)(path)
    options = {"hidden": 16, "layers": 1} if path is None else {}
    alphabet = "protein" if kind == "protein_lm" else "text"
    model, x = model_of(path, "full" if mode == "scratch" else mode, kind, alphabet, **options)
    model.save(tmp_path / "model")
    z = model.embed(x)
    assert torch.equal(GDE.load(tmp_path / "model").embed(x), z)
    weights = load_file(tmp_path / "model" / "model.safetensors")
    assert any(name.startswith("encoder.network.") for name in weights) == (mode in ("full", "scratch"))
    assert (tmp_path / "model" / "language_model").is_dir() == (mode != "scratch")
    if path is None:
        return
    path.rename(tmp_path / "away")
    if mode == "full":  # has all it needs beside it
        assert torch.equal(GDE.load(tmp_path / "model").embed(x), z)
        return
    with pytest.raises(GdeError) as e:
        GDE.load(tmp_path / "model")
    assert str(path) in str(e.value)
    assert "no such directory" in str(e.value)


def test_a_model_refuses_other_weights_than_it_was_trained_on(tmp_path, monkeypatch):
    path = tmp_path / "esm2"
    published.esm2(path)
    model, x = model_of(path, "frozen")
    model.config["encoder"]["weights_sha256"] = model.encoder.weights_sha256
    model.save(tmp_path / "model")
    published.esm2(path, seed=5)
    monkeypatch.setattr("gde.lm_cache._opened", {})
    with pytest.raises(GdeError, match=r"esm2: found SHA-256 [0-9a-f]{64}, expected [0-9a-f]{64}"):
        GDE.load(tmp_path / "model").embed(x)


def edit_config(path, **changes):
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps(config | changes))


def only_a_pickle(path):
    (path / "model.safetensors").unlink()
    with (path / "pytorch_model.bin").open("wb") as f:
        pickle.dump({"esm.weight": [1.0]}, f)


def pickle_by_another_name(path):
    with (path / "model.safetensors").open("wb") as f:
        pickle.dump({"esm.weight": [1.0]}, f)


QUERY = "esm.encoder.layer.1.attention.self.query.weight"
FAULTS = {
    "pickle": (only_a_pickle, r"pytorch_model\.bin: found .*pickle.*, expected model\.safetensors"),
    "pickle-renamed": (pickle_by_another_name, r"model\.safetensors: found .*pickle"),
    "architecture": (lambda p: edit_config(p, model_type="bert"), r"config\.json: model_type: found 'bert'"),
    "positions": (
        lambda p: edit_config(p, position_embedding_type="absolute"),
        r"config\.json: position_embedding_type: found 'absolute', expected 'rotary'",
    ),
    "no-size": (lambda p: edit_config(p, hidden_size=None), r"config\.json: hidden_size: found None"),
    "size-as-text": (lambda p: edit_config(p, hidden_size="16"), r"config\.json: hidden_size: found '16'"),
    "epsilon-as-text": (lambda p: edit_config(p, layer_norm_eps="tiny"), r"layer_norm_eps: found 'tiny'"),
    "other-heads": (lambda p: edit_config(p, num_attention_heads=3), r"num_attention_heads: found 3 for a width of 16"),
    "letters": (lambda p: edit_config(p, vocab_size=30), r"config\.json: vocab_size: found 30, expected 33"),
    "more-layers": (
        lambda p: edit_config(p, num_hidden_layers=3),
        r"esm2:esm\.encoder\.layer\.2\..*: found no such tensor",
    ),
    "fewer-layers": (
        lambda p: edit_config(p, num_hidden_layers=1),
        r"esm2:esm\.encoder\.layer\.1\..*a tensor too many",
    ),
    "missing": (
        lambda p: published.rewrite(p, lambda t: t.pop(QUERY)),
        rf"esm2:{QUERY}: found no such tensor, expected \(16, 16\)",
    ),
    "shape": (
        lambda p: published.rewrite(p, lambda t: t.update({QUERY: torch.zeros(16, 8)})),
        rf"esm2:{QUERY}: found \(16, 8\), expected \(16, 16\)",
    ),
    "nan": (
        lambda p: published.rewrite(p, lambda t: t.update({QUERY: torch.full((16, 16), torch.nan)})),
        rf"esm2:{QUERY}: found values that are no finite numbers",
    ),
    "cut": (
        lambda p: (p / "model.safetensors").write_bytes((p / "model.safetensors").read_bytes()[:-100]),
        r"model\.safetensors: found a damaged file",
    ),
    "no-config": (lambda p: (p / "config.json").unlink(), r"config\.json: found no such file"),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("fault", "message"), FAULTS.values(), ids=FAULTS)
def test_what_is_no_such_model_is_refused_in_one_line(esm, mode, fault, message):
    path, _ = esm
    fault(path)
    with pytest.raises(GdeError, match=message) as e:
        protein_lm(path, mode).vectors(proteins())
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("mode", MODES)
def test_another_digest_is_refused(esm, mode):
    with pytest.raises(GdeError, match=r"esm2: found SHA-256 [0-9a-f]{64}, expected 0{64} \(weights_sha256\)"):
        protein_lm(esm[0], mode, weights_sha256="0" * 64).vectors(proteins())


def test_older_names_of_norms_and_rotary_constants_are_read(esm):
    """As in files of the first implementations; what only a larger model has is left aside."""
    path, model = esm

    def old(tensors):
        for name in [n for n in tensors if "LayerNorm" in n]:
            tensors[name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")] = (
                tensors.pop(name)
            )
        tensors["esm.embeddings.position_ids"] = torch.arange(9)[None]
        tensors["esm.embeddings.position_embeddings.weight"] = torch.zeros(9, 16)
        for i in range(2):
            tensors[f"esm.encoder.layer.{i}.attention.self.rotary_embeddings.inv_freq"] = torch.ones(4)

    published.rewrite(path, old)
    expected = torch.stack([published.esm_mean(model, s) for s in SEQUENCES])
    torch.testing.assert_close(protein_lm(path, "full").vectors(proteins()), expected, rtol=1e-5, atol=1e-5)


def test_names_without_the_larger_models_prefix_are_read(esm):
    path, model = esm
    tensors = load_file(path / "model.safetensors")
    save_file(
        {k.removeprefix("esm."): v for k, v in tensors.items() if k.startswith("esm.")}, path / "model.safetensors"
    )
    expected = torch.stack([published.esm_mean(model, s) for s in SEQUENCES])
    torch.testing.assert_close(protein_lm(path, "frozen").vectors(proteins()), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "frozen"}, "mode: found 'frozen' with weights None"),
        ({"mode": "half"}, "mode: found 'half'"),
        ({"hidden": 18}, "heads: found 4, expected a divisor of hidden = 18"),
        ({"vocabulary": 5}, "vocabulary: found 5, expected 21"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        ProteinLm(9, 7, then={"kind": "mean"}, **options)


def test_a_published_model_may_come_in_several_files(esm):
    path, model = esm
    tensors = load_file(path / "model.safetensors")
    names = sorted(tensors)
    halves = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for file, part in halves.items():
        save_file({name: tensors[name] for name in part}, path / file)
    index = {"weight_map": {name: file for file, part in halves.items() for name in part}}
    (path / "model.safetensors.index.json").write_text(json.dumps(index))
    (path / "model.safetensors").unlink()
    expected = torch.stack([published.esm_mean(model, s) for s in SEQUENCES])
    torch.testing.assert_close(protein_lm(path, "frozen").vectors(proteins()), expected, rtol=1e-5, atol=1e-5)


def test_near_copies_are_told_apart(tmp_path):
    """Sequences of 1,273 letters that differ in one: what is kept of them must not round that away."""
    published.esm2(tmp_path / "esm2", hidden=32)
    rng = np.random.default_rng(0)
    reference = "".join(rng.choice(list(PROTEIN.letters[:20]), 1273))
    variants = [reference, *(reference[:i] + "GA"[reference[i] == "G"] + reference[i + 1 :] for i in (17, 613, 900))]
    made = protein_lm(tmp_path / "esm2", "frozen", length=1280, then={"kind": "mean"})
    x = proteins(1280, variants)
    exact = made.vectors(x)
    apart = (exact[1:] - exact[0]).norm(dim=1)
    rounded = (exact.half().float() - exact).norm(dim=1)
    assert apart.min() > 30 * (made.vectors(x) - exact).norm()  # what is kept is exact
    assert apart.min() < 30 * rounded.max()  # and has to be: half precision would hide the mutation
