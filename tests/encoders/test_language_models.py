"""Encoders behind language models: what they say of a sequence, what is trained, and saved."""

import copy

import numpy as np
import published
import pytest
import torch
from frozen import LENGTH, MODES, PROTEIN, SEQUENCES, TEXT, TEXTS, edit_config, protein_lm, proteins
from safetensors.torch import load_file

from gde.encoders.protein_lm import ProteinLm
from gde.encoders.published import Bert
from gde.encoders.text_lm import TextLm
from gde.errors import GdeError
from gde.model import GDE

pytestmark = pytest.mark.usefixtures("no_cache")


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
    tokens, there = made.tokenise(proteins(sequences=[PROTEIN.symbols, "A"]).numpy())
    assert [words[i] for i in tokens[0]] == ["<cls>", *PROTEIN.symbols, "<eos>"]
    assert [words[i] for i in tokens[1]] == ["<cls>", "A", "<eos>", *["<pad>"] * 20]
    assert there.sum(1).tolist() == [23, 3]


@pytest.mark.parametrize("mode", MODES)
def test_padding_changes_nothing(esm, mode):
    """Neither longer rows, nor longer sequences beside, nor tokens behind the end."""
    made = protein_lm(esm[0], mode)
    alone = torch.cat([made.vectors(proteins(len(s), [s])) for s in SEQUENCES])
    torch.testing.assert_close(made.vectors(proteins(300)), alone, rtol=1e-5, atol=1e-5)
    dirty = proteins()
    dirty[0, 4:] = 9
    torch.testing.assert_close(made.vectors(dirty)[0], alone[0], rtol=1e-5, atol=1e-5)


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
    made = TextLm(
        TextLm.Options(then={"kind": "mean"}, mode="frozen", weights=str(tmp_path / "bert")), dim=48, latent_dim=5
    )
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
    mean = TextLm(
        TextLm.Options(then={"kind": "mean"}, mode="full", weights=str(tmp_path / "bert"), pooling="mean"),
        dim=48,
        latent_dim=5,
    )
    mean.initialise()
    torch.testing.assert_close(
        mean.vectors(x).detach(), torch.stack([s[1:-1].mean(0) for s in states]), rtol=1e-5, atol=1e-5
    )


def test_long_texts_are_cut_at_the_places_of_the_model(tmp_path):
    published.bert(tmp_path / "bert")
    made = TextLm(
        TextLm.Options(then={"kind": "mean"}, mode="frozen", weights=str(tmp_path / "bert")), dim=400, latent_dim=5
    )
    assert made.positions == 24
    long, cut = " ".join(["the spike"] * 30), " ".join(["the spike"] * 11)
    x = torch.from_numpy(TEXT.pad([long, cut], 400))
    assert torch.equal(*made.vectors(x))
    short = TextLm(TextLm.Options(then={"kind": "mean"}, hidden=16, positions=10), dim=400, latent_dim=5)
    x = torch.from_numpy(TEXT.pad(["abcdefgh and more", "abcdefgh", "abcdefg"], 400))
    z = short.vectors(x)
    assert torch.equal(z[0], z[1])
    assert not torch.equal(z[0], z[2])


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
    monkeypatch.setattr("gde.pretrained.vector_cache._opened", {})
    with pytest.raises(GdeError, match=r"esm2: found SHA-256 [0-9a-f]{64}, expected [0-9a-f]{64}"):
        GDE.load(tmp_path / "model").embed(x)


@pytest.mark.parametrize("act", ["gelu_new", "relu"])
def test_bert_has_the_activation_that_its_settings_say(tmp_path, act):
    """Against BertModel with the same settings, called plainly."""
    from transformers import BertConfig, BertModel

    path = tmp_path / "bert"
    published.bert(path)
    x = torch.from_numpy(TEXT.pad(["the spike of virus"], 30))
    found = {}
    for own in ("gelu", act):
        edit_config(path, hidden_act=own)
        made = TextLm(TextLm.Options(then={"kind": "mean"}, mode="frozen", weights=str(path)), dim=30, latent_dim=5)
        plain = BertModel(BertConfig.from_json_file(path / "config.json"), add_pooling_layer=False).eval()
        Bert.fill(plain, path, None)
        with torch.no_grad():
            expected = plain(torch.tensor([[2, 5, 6, 7, 8, 3]])).last_hidden_state[:, 0]
        found[own] = made.vectors(x)
        torch.testing.assert_close(found[own], expected, rtol=1e-5, atol=1e-5)
    assert not torch.equal(found["gelu"], found[act])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "frozen"}, "mode: found 'frozen' with weights None"),
        ({"mode": "half"}, "mode: found 'half'"),
        ({"hidden": 18}, "heads: found 4, expected a divisor of hidden = 18"),
        ({"hidden": 12}, "heads: found 4 for hidden = 12, expected heads of an even width"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        ProteinLm(ProteinLm.Options(then={"kind": "mean"}, **options), dim=9, latent_dim=7)


def test_letters_of_another_alphabet_are_refused():
    with pytest.raises(ValueError, match="vocabulary: found 5, expected 21"):
        ProteinLm(ProteinLm.Options(then={"kind": "mean"}), dim=9, latent_dim=7, vocabulary=5)


def test_near_copies_are_told_apart(tmp_path):
    """Sequences of 1,273 tokens that differ in one: what is kept of them must not round that away."""
    published.esm2(tmp_path / "esm2", hidden=32)
    rng = np.random.default_rng(0)
    reference = "".join(rng.choice(list(PROTEIN.symbols[:20]), 1273))
    variants = [reference, *(reference[:i] + "GA"[reference[i] == "G"] + reference[i + 1 :] for i in (17, 613, 900))]
    made = protein_lm(tmp_path / "esm2", "frozen", length=1280, then={"kind": "mean"})
    x = proteins(1280, variants)
    exact = made.vectors(x)
    apart = (exact[1:] - exact[0]).norm(dim=1)
    rounded = (exact.half().float() - exact).norm(dim=1)
    assert apart.min() > 30 * (made.vectors(x) - exact).norm()  # what is kept is exact
    assert apart.min() < 30 * rounded.max()  # and has to be: half precision would hide the mutation
