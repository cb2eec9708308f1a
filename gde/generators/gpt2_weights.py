"""Published GPT-2 weights into our modules, from safetensors only."""

from pathlib import Path

import torch
from torch import nn

from gde.errors import bad
from gde.files.io import write_json
from gde.pretrained.weights import CONFIG, check_config, config_sizes, matched, open_weights, read_config

BYTES = 255  # tokens of texts
PREFIX, TABLE, PLACES, HEAD = "transformer.", "wte.weight", "wpe.weight", "lm_head.weight"
AS_PUBLISHED = {  # others are other networks of the same names and shapes
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "reorder_and_upcast_attn": False,
    "layer_norm_epsilon": 1e-5,
}
UNUSED = (".attn.bias", ".attn.masked_bias", "lm_head.weight")  # constants, and the table of subwords once more
KEYS = ("n_embd", "n_layer", "n_head", "vocab_size")
REMEDY = "give the directory of a GPT-2, or generator.weights: null"


def load_published(model: nn.Module, path: Path, sha256: str | None = None) -> None:
    """Fill a Gpt2 with the published one in the directory `path`, which it then is, whatever the embedding.

    The vectors before the sequence start as the published end mark, which stands before a text there, too; conditioning
    starts at nothing. GdeError names what does not fit; then nothing of the model is changed.
    """
    if model.tokens_known != BYTES:
        found = f"published subwords for an alphabet of {model.tokens_known} tokens"
        raise bad(path, found, "texts: the alphabet text", "set generator.weights: null")
    _, tensors = open_weights(path, sha256)
    tensors = {name.removeprefix(PREFIX): tensor for name, tensor in tensors.items()}
    if HEAD in tensors and not torch.equal(tensors[HEAD], tensors.get(TABLE, tensors[HEAD])):
        raise bad(f"{path}:{HEAD}", "another table of subwords for the output", "the same as wte.weight", REMEDY)
    tensors = {name: tensor for name, tensor in tensors.items() if not name.endswith(UNUSED)}
    shapes = {name: tuple(tensor.shape) for name, tensor in model.network.state_dict().items()}
    if PLACES in tensors and tensors[PLACES].ndim == 2:
        known = len(tensors[PLACES])
        if known < model.length:
            expected = f"{model.length}, prefix and subwords"
            raise bad(f"{path}:{PLACES}", f"{known} positions", expected, "lower generator.max_subwords or prefix")
        shapes[PLACES] = (known, shapes[PLACES][1])
    tensors = matched(path, tensors, shapes | {TABLE: tuple(model.token_embedding.weight.shape)}, remedy=REMEDY)
    model.spelling.read(path)
    with torch.no_grad():
        for name, ours in model.network.state_dict().items():
            ours.copy_(tensors[name][: len(ours)] if name == PLACES else tensors[name])
        model.token_embedding.weight.copy_(tensors[TABLE].roll(1, 0))  # the end mark is the last there, the first here
        model.condition.begin_as(tensors[TABLE][-1])


def read_sizes(path: Path) -> tuple[int, int, int, int]:
    """Width, layers, heads and subwords that config.json in the directory `path` tells. GdeError for another
    architecture, and for sizes that cannot be."""
    config = read_config(path)
    check_config(path, config, {"model_type": "gpt2"}, REMEDY)
    hidden, layers, heads, subwords = config_sizes(path, config, KEYS, REMEDY)
    check_config(path, {"n_inner": None} | config, {"n_inner": (None, 4 * hidden)}, REMEDY)
    check_config(path, {"activation_function": "gelu_new"} | config, {"activation_function": "gelu_new"}, REMEDY)
    check_config(path, AS_PUBLISHED | config, AS_PUBLISHED, REMEDY)
    if hidden % heads:
        raise bad(f"{path / CONFIG}: n_head", str(heads), f"a divisor of {hidden}", REMEDY)
    if subwords < 258:
        raise bad(f"{path / CONFIG}: vocab_size", str(subwords), "256 bytes, joined pairs and an end mark", REMEDY)
    return hidden, layers, heads, subwords


def write_sizes(directory: Path, *sizes: int) -> None:
    """A config.json that `read_sizes` reads."""
    directory.mkdir(parents=True)
    write_json(directory / CONFIG, {"model_type": "gpt2", **dict(zip(KEYS, sizes, strict=True))})
