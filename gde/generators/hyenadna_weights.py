"""Published HyenaDNA weights (Nguyen et al. 2023) into our modules: a map of names, from safetensors only."""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from gde.errors import bad
from gde.files.io import sha256_file
from gde.files.sniffing import check_file, kind_of, other_file

EXPECTED = "safetensors of a published HyenaDNA model"
REMEDY = "give another file, or generator.weights: null"
VOCABULARY = {"[SEP]": 1, "A": 7, "C": 8, "G": 9, "T": 10, "N": 11}  # published rows of the end mark and our tokens
PADDED = 16  # rows of the published vocabulary
ROOT, TOKENS, OUTPUT = "backbone.", "backbone.embeddings.word_embeddings.weight", "lm_head.weight"
FILTER = "mixer.filter_fn.implicit_filter"
# of a block: ours -> published
BLOCK = {
    "norms.0.weight": "norm1.weight",
    "norms.0.bias": "norm1.bias",
    "norms.1.weight": "norm2.weight",
    "norms.1.bias": "norm2.bias",
    "mixer.project.weight": "mixer.in_proj.weight",
    "mixer.project.bias": "mixer.in_proj.bias",
    "mixer.short_weight": "mixer.short_filter.weight",
    "mixer.short_bias": "mixer.short_filter.bias",
    "mixer.bias": "mixer.filter_fn.bias",
    "mixer.filter.frequency": f"{FILTER}.1.freq",
    "mixer.filter.layers.0.weight": f"{FILTER}.0.weight",
    "mixer.filter.layers.0.bias": f"{FILTER}.0.bias",
    "mixer.filter.layers.1.weight": f"{FILTER}.2.weight",
    "mixer.filter.layers.1.bias": f"{FILTER}.2.bias",
    "mixer.filter.layers.2.weight": f"{FILTER}.4.weight",
    "mixer.filter.layers.2.bias": f"{FILTER}.4.bias",
    "mixer.filter.out.weight": f"{FILTER}.6.weight",
    "mixer.filter.features": "mixer.filter_fn.pos_emb.z",
    "mixer.filter.time": "mixer.filter_fn.pos_emb.t",
    "mixer.filter.decay": "mixer.filter_fn.modulation.deltas",
    "mixer.out.weight": "mixer.out_proj.weight",
    "mixer.out.bias": "mixer.out_proj.bias",
    "up.weight": "mlp.fc1.weight",
    "up.bias": "mlp.fc1.bias",
    "down.weight": "mlp.fc2.weight",
    "down.bias": "mlp.fc2.bias",
}
ALIASES = {f"{FILTER}.{i}.freq": f"{FILTER}.1.freq" for i in (3, 5)}  # one tensor of several names; files may omit them
SINGLE = {  # axes of length one that the published tensors have and ours have not
    "mixer.short_filter.weight": (1,),
    f"{FILTER}.1.freq": (0,),
    "mixer.filter_fn.pos_emb.z": (0,),
    "mixer.filter_fn.pos_emb.t": (0,),
    "mixer.filter_fn.modulation.deltas": (0, 0),
}
SETTINGS = {"mixer.filter_fn.pos_emb": "filter_length and filter_features", FILTER: "filter_hidden and filter_features"}


def load_published(model: nn.Module, path: Path, sha256: str | None = None) -> None:
    """Fill the blocks, the last norm and the tokens of a HyenaDna with published weights.

    What depends on the embedding stays as it is. Raises GdeError naming the file, also one that has not the digest
    `sha256`, or the first tensor that is missing, unknown, of another shape or not finite; then nothing of the model
    is changed.
    """
    if model.vocabulary != len(VOCABULARY) - 1:
        found = f"published weights for an alphabet of {model.vocabulary} tokens"
        raise bad(path, found, "the alphabet dna: A, C, G, T, N", "set generator.weights: null")
    found, own, state = read_published(path, sha256), model.state_dict(), {}
    known = names(len(model.blocks))
    for ours, theirs in known.items():
        if theirs not in found:
            raise bad(f"{path}:{theirs}", "no such tensor", EXPECTED, "lower generator.layers, or give another file")
        tensor, expected = found.pop(theirs), own[ours]
        shape = published_shape(theirs, expected)
        if tuple(tensor.shape) != shape:
            setting = next((v for k, v in SETTINGS.items() if k in theirs), "hidden")
            remedy = f"set generator.{setting} as the file has them"
            raise bad(f"{path}:{theirs}", str(tuple(tensor.shape)), str(shape), remedy)
        if not tensor.is_floating_point() or not tensor.isfinite().all():
            raise bad(f"{path}:{theirs}", "values that are no finite numbers", EXPECTED, REMEDY)
        rows = tensor[list(VOCABULARY.values())] if theirs == TOKENS else tensor
        state[ours] = rows.reshape(expected.shape).to(expected)
    if found:
        raise bad(f"{path}:{min(found)}", "a tensor too many", EXPECTED, "raise generator.layers, or give another file")
    with torch.no_grad():
        for ours, tensor in state.items():
            own[ours].copy_(tensor)


def names(layers: int) -> dict[str, str]:
    """Our names of the tensors of a model to the published ones."""
    blocks = {
        f"blocks.{i}.{ours}": f"{ROOT}layers.{i}.{theirs}" for i in range(layers) for ours, theirs in BLOCK.items()
    }
    ends = {"token_embedding.weight": TOKENS, "norm.weight": f"{ROOT}ln_f.weight", "norm.bias": f"{ROOT}ln_f.bias"}
    return blocks | ends


def published_shape(name: str, ours: Tensor) -> tuple[int, ...]:
    """The shape of a published tensor whose counterpart is `ours`."""
    shape = [PADDED, *ours.shape[1:]] if name == TOKENS else list(ours.shape)
    for axis in next((axes for end, axes in SINGLE.items() if name.endswith(end)), ()):
        shape.insert(axis, 1)
    return tuple(shape)


def read_published(path: Path, sha256: str | None) -> dict[str, Tensor]:
    """The tensors of a file, by the names of `names`: without a prefix (`hyena.`, `model.`) and second names.

    Raises GdeError for what is no such file, and where tensors differ that are one in the published model.
    """
    check_file(path, EXPECTED, REMEDY)
    if "pickle" in kind_of(path):
        raise other_file(path, EXPECTED, REMEDY)
    if sha256 is not None and (digest := sha256_file(path)) != sha256.lower():
        raise bad(path, f"SHA-256 {digest}", sha256, "give the file that the settings mean, or its digest")
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError, LookupError, ValueError, TypeError, RuntimeError) as e:
        raise bad(path, f"a damaged file ({e})", EXPECTED, REMEDY) from e
    prefix = next((name.removesuffix(TOKENS) for name in tensors if name.endswith(TOKENS)), "")
    found = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    second = {OUTPUT: TOKENS} | {n: n.replace(a, ALIASES[a]) for n in found for a in ALIASES if n.endswith(a)}
    for name, first in second.items():
        if name in found and first in found and not torch.equal(found[name], found[first]):
            raise bad(f"{path}:{name}", f"other values than in {first}", "the same: they are one tensor", REMEDY)
        if first in found:
            found.pop(name, None)
    return found
