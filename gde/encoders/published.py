"""Published language models of an architecture: their sizes, their network from `transformers`, their weights."""

import shutil
from collections.abc import Callable, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import nn

from gde.errors import bad
from gde.files.io import write_json
from gde.pretrained import weights

ANOTHER = "give the directory of another model, or encoder.weights: null"
NO_DROPOUT = dict.fromkeys(("hidden_dropout_prob", "attention_probs_dropout_prob"), 0.0)  # a step could not be repeated


class Published:
    """What is common to `Esm2` and `Bert`; no instances, subclasses say what differs.

    model_type : what config.json must say.   settings : the keys of config.json that make the network, with the value
    of those that may be absent.   fixed : values that keys must have which are there.   root : what precedes names of
    tensors in files of a larger model.   unused : what begins names of tensors that the network has no use for.
    """

    name: ClassVar[str]
    model_type: ClassVar[str]
    settings: ClassVar[Mapping[str, Any]]
    fixed: ClassVar[Mapping[str, Any]]
    root: ClassVar[str]
    unused: ClassVar[tuple[str, ...]]

    @classmethod
    def read_config(cls, path: Path) -> dict[str, Any]:
        """The settings in the config.json of the directory `path`. GdeError for another architecture, or impossible
        sizes."""
        config = weights.read_config(path)
        remedy = f"{ANOTHER}; this encoder reads {cls.name}"
        weights.check_config(path, config, {"model_type": cls.model_type}, remedy)
        usual = {key: value[0] if isinstance(value, tuple) else value for key, value in cls.fixed.items()}
        weights.check_config(path, usual | config, cls.fixed, remedy)
        out = {}
        for key, default in cls.settings.items():
            value = config.get(key)
            if default is None and (type(value) is not int or value < 1):
                found = repr(value) if key in config else "no such key"
                raise bad(f"{path / weights.CONFIG}: {key}", found, "a whole number >= 1", remedy)
            value = default if value is None else value
            if default is not None and type(value) is not type(default):
                raise bad(f"{path / weights.CONFIG}: {key}", repr(value), f"such as {default!r}", remedy)
            out[key] = value
        if out["hidden_size"] % out["num_attention_heads"]:
            found = f"{out['num_attention_heads']} for a width of {out['hidden_size']}"
            raise bad(f"{path / weights.CONFIG}: num_attention_heads", found, "a divisor of hidden_size", remedy)
        cls.check(path, out)
        return out

    @classmethod
    def check(cls, path: Path, config: dict[str, Any]) -> None:
        """GdeError for what else the network cannot be."""

    @classmethod
    def build(cls, config: Mapping[str, Any]) -> nn.Module:
        """A new network of these settings, without dropout and without what has no part in its last states."""
        raise NotImplementedError

    @classmethod
    def fill(cls, network: nn.Module, path: Path, sha256: str | None) -> None:
        """Put the weights in the directory `path` into the network; GdeError as `gde.pretrained.weights`, for another
        digest, and for tensors that are missing, of another shape or unknown."""
        _, tensors = weights.open_weights(path, sha256)
        own = network.state_dict()
        root = cls.root if any(name.startswith(cls.root) for name in tensors) else ""
        tensors = {k: v for k, v in tensors.items() if not k.removeprefix(root).startswith(cls.unused)}
        tensors = cls.aside(tensors, own)
        theirs = {name: cls.published_name(root + name, tensors) for name in own}
        theirs = {name: there for name, there in theirs.items() if there is not None}
        shapes = {there: own[name].shape for name, there in theirs.items()}
        found = weights.matched(path, tensors, shapes, remedy=f"{ANOTHER}; config.json and weights do not fit")
        with torch.no_grad():
            for name, there in theirs.items():
                own[name].copy_(found[there])

    @classmethod
    def aside(cls, tensors: dict[str, torch.Tensor], own: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """The tensors without those that are no weights."""
        return tensors

    @classmethod
    def published_name(cls, name: str, tensors: Mapping[str, torch.Tensor]) -> str | None:
        """What a tensor is called in a file; None for one that files need not have. Those that keep the names of the
        first implementation call the parameters of norms gamma and beta."""
        old = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
        return old if old in tensors else name

    @classmethod
    def attentions(cls, network: nn.Module) -> list[nn.Module]:
        """The modules with the linear maps `query` and `value`, one per layer."""
        return [layer.attention.self for layer in network.encoder.layer]

    @staticmethod
    def digest(path: Path) -> str:
        """SHA-256 by which settings name the weights in the directory `path`."""
        return weights.weights_digest(path)

    @staticmethod
    def check_there(path: Path) -> None:
        """GdeError unless the directory `path` has weights."""
        weights.weight_files(path)

    @classmethod
    def copy(cls, source: Path, directory: Path) -> None:
        """Write into `directory` what `read_config`, and a tokenizer, need of the model at `source`."""
        directory.mkdir(parents=True, exist_ok=True)
        write_json(directory / weights.CONFIG, {"model_type": cls.model_type, **cls.read_config(source)})
        for name in cls.further:
            if (source / name).is_file():
                shutil.copyfile(source / name, directory / name)

    further: ClassVar[tuple[str, ...]] = ()  # files that belong to the model besides its config.json


SIZES = dict.fromkeys(("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"))
INVERSE = "rotary_embeddings.inv_freq"


class Esm2(Published):
    """ESM-2 (Lin et al. 2023), 8 million to 15 billion parameters: rotary positions, so no limit of length."""

    name, model_type, root = "ESM-2", "esm", "esm."
    settings: ClassVar[Mapping[str, Any]] = SIZES | {
        "max_position_embeddings": 1026,
        "layer_norm_eps": 1e-5,
        "position_embedding_type": "absolute",
        "emb_layer_norm_before": False,
        "token_dropout": False,
        "initializer_range": 0.02,
    }
    fixed: ClassVar[Mapping[str, Any]] = {"hidden_act": "gelu", "is_decoder": False, "is_folding_model": False}
    unused = ("lm_head.", "contact_head.", "pooler.", "embeddings.position_ids", "embeddings.position_embeddings")
    TOKENS, CLASS, PAD, END, MASK = 33, 0, 1, 2, 32  # tokens, and the numbers of the special ones

    @classmethod
    def check(cls, path: Path, config: dict[str, Any]) -> None:
        remedy = f"{ANOTHER}; this encoder reads ESM-2"
        if config["position_embedding_type"] != "rotary":
            found = repr(config["position_embedding_type"])
            raise bad(f"{path / weights.CONFIG}: position_embedding_type", found, "'rotary'", remedy)
        if config["vocab_size"] != cls.TOKENS:
            raise bad(f"{path / weights.CONFIG}: vocab_size", str(config["vocab_size"]), str(cls.TOKENS), remedy)
        if (config["hidden_size"] // config["num_attention_heads"]) % 2:
            found = f"{config['num_attention_heads']} for a width of {config['hidden_size']}"
            expected = "heads of an even width: pairs of its numbers turn"
            raise bad(f"{path / weights.CONFIG}: num_attention_heads", found, expected, remedy)

    @classmethod
    def scratch(cls, *, vocabulary: int, length: int, hidden: int, layers: int, heads: int) -> dict[str, Any]:
        """Settings of a network of these sizes. ValueError for heads of an odd width."""
        if hidden // heads % 2:
            raise ValueError(f"heads: found {heads} for hidden = {hidden}, expected heads of an even width")
        sizes = (cls.TOKENS, hidden, layers, heads, 4 * hidden)
        own = {"position_embedding_type": "rotary", "max_position_embeddings": length + 2}
        return {**cls.settings, **dict(zip(SIZES, sizes, strict=True)), **own}

    @classmethod
    def build(cls, config: Mapping[str, Any]) -> nn.Module:
        from transformers import EsmConfig, EsmModel

        tokens = {"pad_token_id": cls.PAD, "mask_token_id": cls.MASK}
        network = EsmModel(EsmConfig(**config, **tokens, **NO_DROPOUT), add_pooling_layer=False)
        network.contact_head = None
        return network

    @classmethod
    def aside(cls, tensors: dict[str, torch.Tensor], own: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Without the rotary frequencies, which some files have once per layer and others not: they are constants."""
        return {name: tensor for name, tensor in tensors.items() if not name.endswith(INVERSE)}

    @classmethod
    def published_name(cls, name: str, tensors: Mapping[str, torch.Tensor]) -> str | None:
        return None if name.endswith(INVERSE) else super().published_name(name, tensors)


class Bert(Published):
    """BERT (Devlin et al. 2019) with learned positions, and so a greatest length."""

    name, model_type, root = "BERT", "bert", "bert."
    settings: ClassVar[Mapping[str, Any]] = SIZES | {
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
        "layer_norm_eps": 1e-12,
        "hidden_act": "gelu",
        "pad_token_id": 0,
        "initializer_range": 0.02,
    }
    fixed: ClassVar[Mapping[str, Any]] = {
        "hidden_act": ("gelu", "gelu_new", "relu"),
        "position_embedding_type": "absolute",
        "is_decoder": False,
    }
    unused = ("cls.", "pooler.", "embeddings.position_ids")
    further = tuple(chain.from_iterable(weights.TOKENIZERS["text_lm"]))

    @classmethod
    def scratch(
        cls, *, vocabulary: int, length: int, hidden: int, layers: int, heads: int, positions: int
    ) -> dict[str, Any]:
        """Settings of a network of these sizes that reads the bytes of texts, `positions` at most with the marks of
        begin and end, whose numbers follow those of the bytes."""
        sizes = (vocabulary + 3, hidden, layers, heads, 4 * hidden)
        own = {"max_position_embeddings": min(positions, length + 2), "type_vocab_size": 1}
        return {**cls.settings, **dict(zip(SIZES, sizes, strict=True)), **own}

    @classmethod
    def build(cls, config: Mapping[str, Any]) -> nn.Module:
        from transformers import BertConfig, BertModel

        return BertModel(BertConfig(**config, **NO_DROPOUT), add_pooling_layer=False)


class Shared:
    """A network that the copies of a model have in common, loaded when it is first needed: it never changes and is
    saved with none."""

    def __init__(self, load: Callable[[], nn.Module]):
        self._load, self._network = load, None

    def __deepcopy__(self, memo: dict) -> "Shared":
        return self

    def on(self, device: torch.device) -> nn.Module:
        """The network, on this device, in evaluation mode."""
        if self._network is None:
            self._network = self._load().requires_grad_(False).eval()
        if next(self._network.parameters()).device != device:
            self._network.to(device)
        return self._network

    def release(self) -> None:
        """Give the memory back until it is needed again."""
        self._network = None
