"""Published ProGen2 weights into our modules: a map of names and of the tokens, from safetensors only."""

import logging
import re
from pathlib import Path

import torch
from torch import Tensor, nn

from gde.errors import bad
from gde.files.io import write_json
from gde.pretrained.weights import CONFIG, check_config, config_sizes, matched, open_weights, read_config
from gde.sets.types.alphabet import ALPHABETS

log = logging.getLogger(__name__)
SHARDS = 8  # of the published attention: each holds queries, values, keys of an eighth of the heads
START, END = 3, 4  # published tokens "1" and "2": the two ends of a protein, in its own direction
TOKENS = {token: 5 + i for i, token in enumerate("ABCDEFGHIKLMNOPQRSTUVWXYZ")}
KNOWN = 5 + len(TOKENS)  # published tokens; a table may have more rows, which mean nothing
ROOT, TABLE, OUTPUT = "transformer.", "transformer.wte.weight", "lm_head."
UNUSED = re.compile(r"attn\.(bias|masked_bias|causal_mask)$")  # constants that older files hold
BLOCK = {
    "norm.weight": "ln_1.weight",
    "norm.bias": "ln_1.bias",
    "query_key_value.weight": "attn.qkv_proj.weight",
    "out.weight": "attn.out_proj.weight",
    "up.weight": "mlp.fc_in.weight",
    "up.bias": "mlp.fc_in.bias",
    "down.weight": "mlp.fc_out.weight",
    "down.bias": "mlp.fc_out.bias",
}
ENDS = {
    "token_embedding.weight": TABLE,
    "norm.weight": f"{ROOT}ln_f.weight",
    "norm.bias": f"{ROOT}ln_f.bias",
    "out.weight": f"{OUTPUT}weight",
    "out.bias": f"{OUTPUT}bias",
}
PLACES = "n_positions"
KEYS = ("n_embd", "n_layer", "n_head", "rotary_dim")
REMEDY = "give the directory of a ProGen2, or generator.weights: null"


def load_published(model: nn.Module, path: Path, sha256: str | None = None) -> None:
    """Fill a ProGen2 with the published one in the directory `path`, which it then is, whatever the embedding.

    The vectors before the sequence start as the published mark of a protein's beginning, and conditioning starts at
    nothing: the first steps teach it. GdeError names what does not fit; then nothing of the model is changed.
    """
    alphabet = ALPHABETS["protein"]
    if model.vocabulary != alphabet.size:
        found = f"published weights for an alphabet of {model.vocabulary} tokens"
        raise bad(path, found, f"the alphabet protein: {alphabet.symbols}", "set generator.weights: null")
    config, tensors = open_weights(path, sha256)
    if model.length > (seen := config.get(PLACES, model.length)):
        about = "prefix and tokens, of which the model has seen"
        log.warning("%s: %d positions, %s %d (n_positions)", path, model.length, about, seen)
    tensors = {name: tensor for name, tensor in tensors.items() if not UNUSED.search(name)}
    state = model.state_dict()
    known = names(len(model.blocks))
    tensors = matched(path, tensors, shapes(model, tensors), remedy=REMEDY)
    rows = torch.tensor([END, *(TOKENS[token] for token in alphabet.symbols)])
    with torch.no_grad():
        for ours, theirs in known.items():
            tensor = tensors[theirs]
            if theirs == TABLE or theirs.startswith(OUTPUT):
                tensor = tensor[rows]
            elif theirs.endswith("qkv_proj.weight"):
                tensor = in_order(tensor)
            state[ours].copy_(tensor)
        model.condition.begin_as(tensors[TABLE][START])


def read_sizes(path: Path) -> tuple[int, int, int, int]:
    """Width, layers, heads and rotary numbers that config.json in the directory `path` tells. GdeError for another
    architecture, and for sizes that cannot be."""
    config = read_config(path)
    if "embed_dim" in config:  # so some publish the width
        config = {"n_embd": config["embed_dim"]} | config
    check_config(path, config, {"model_type": "progen"}, REMEDY)
    hidden, layers, heads, rotary = config_sizes(path, config, KEYS, REMEDY)
    if PLACES in config:
        config_sizes(path, config, [PLACES], REMEDY)
    check_config(path, {"n_inner": None} | config, {"n_inner": (None, 4 * hidden)}, REMEDY)
    check_config(path, {"activation_function": "gelu_new"} | config, {"activation_function": "gelu_new"}, REMEDY)
    if heads % SHARDS or hidden % heads:
        expected = f"a multiple of {SHARDS} that divides {hidden}"
        raise bad(f"{path / CONFIG}: n_head", str(heads), expected, REMEDY)
    if rotary % 2 or rotary > hidden // heads:
        expected = f"an even number up to {hidden // heads}"
        raise bad(f"{path / CONFIG}: rotary_dim", str(rotary), expected, REMEDY)
    return hidden, layers, heads, rotary


def write_sizes(directory: Path, *sizes: int) -> None:
    """A config.json that `read_sizes` reads."""
    directory.mkdir(parents=True)
    write_json(directory / CONFIG, {"model_type": "progen", **dict(zip(KEYS, sizes, strict=True))})


def names(layers: int) -> dict[str, str]:
    """Our names of the tensors of a model to the published ones."""
    blocks = {f"blocks.{i}.{ours}": f"{ROOT}h.{i}.{theirs}" for i in range(layers) for ours, theirs in BLOCK.items()}
    return blocks | ENDS


def shapes(model: nn.Module, tensors: dict[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """Published name to shape. Tables of tokens have at least `KNOWN` rows, as many as the file's."""
    out, own = {}, model.state_dict()
    for ours, theirs in names(len(model.blocks)).items():
        shape = tuple(own[ours].shape)
        if theirs == TABLE or theirs.startswith(OUTPUT):
            rows = tensors[theirs].shape[0] if theirs in tensors and tensors[theirs].ndim else 0
            shape = (max(KNOWN, rows), *shape[1:])
        out[theirs] = shape
    return out


def in_order(weight: Tensor) -> Tensor:
    """The published weight of queries, values and keys by shards, (3 h, h), as ours: all queries, keys, values."""
    query, value, key = weight.view(SHARDS, 3, -1, weight.shape[1]).unbind(1)  # (shards, h / shards, h)
    return torch.cat([v.flatten(0, 1) for v in (query, key, value)])
