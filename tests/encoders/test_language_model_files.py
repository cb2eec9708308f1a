"""Files of published language models: layouts that are read, and what is refused in one line."""

import json
import pickle

import published
import pytest
import torch
from frozen import MODES, SEQUENCES, TEXT, edit_config, protein_lm, proteins
from safetensors.torch import load_file, save_file

from gde.encoders.text_lm import TextLm
from gde.errors import GdeError

pytestmark = pytest.mark.usefixtures("no_cache")


def test_tokenizer_json_is_preferred_and_checked(tmp_path):
    from gde.encoders.text_lm import word_pieces

    path = tmp_path / "bert"
    published.bert(path)
    made = word_pieces(path / "vocab.txt", True)
    made.enable_truncation(4)
    made.save(str(path / "tokenizer.json"))
    (path / "vocab.txt").unlink()
    encoder = TextLm(TextLm.Options(then={"kind": "mean"}, mode="frozen", weights=str(path)), dim=48, latent_dim=5)
    assert encoder.tokenise(TEXT.pad(["the viruses of the spike"], 48))[0].shape == (1, 8)
    (path / "tokenizer.json").write_text("{")
    with pytest.raises(GdeError, match=r"tokenizer\.json: found no tokenizer"):
        TextLm(TextLm.Options(then={"kind": "mean"}, mode="frozen", weights=str(path)), dim=48, latent_dim=5)
    (path / "tokenizer.json").unlink()
    with pytest.raises(GdeError, match=r"bert: found neither tokenizer\.json nor vocab\.txt"):
        TextLm(TextLm.Options(then={"kind": "mean"}, mode="frozen", weights=str(path)), dim=48, latent_dim=5)
    (path / "vocab.txt").write_text("\n".join([*published.WORDS, "more"]))
    with pytest.raises(GdeError, match=r"vocab\.txt: found 15 tokens, expected at most 14"):
        TextLm(TextLm.Options(then={"kind": "mean"}, mode="frozen", weights=str(path)), dim=48, latent_dim=5)


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
    "activation": (lambda p: edit_config(p, hidden_act="relu"), r"hidden_act: found 'relu', expected 'gelu'"),
    "decoder": (lambda p: edit_config(p, is_decoder=True), r"is_decoder: found True, expected False"),
    "odd-heads": (
        lambda p: edit_config(p, num_attention_heads=16),
        r"num_attention_heads: found 16 for a width of 16, expected heads of an even width",
    ),
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


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hidden_act": "swish"}, "hidden_act: found 'swish', expected 'gelu' or 'gelu_new' or 'relu'"),
        ({"hidden_act": None}, "hidden_act: found None"),
        ({"position_embedding_type": "relative_key"}, "found 'relative_key', expected 'absolute'"),
        ({"is_decoder": True}, "is_decoder: found True"),
    ],
)
def test_another_bert_is_refused_in_one_line(tmp_path, settings, message):
    published.bert(tmp_path / "bert")
    edit_config(tmp_path / "bert", **settings)
    with pytest.raises(GdeError, match=message) as e:
        TextLm(
            TextLm.Options(then={"kind": "mean"}, mode="frozen", weights=str(tmp_path / "bert")), dim=30, latent_dim=5
        )
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
