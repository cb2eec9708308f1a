"""GPT-2 (Radford et al. 2019) that may start from the published model, and then reads and writes its words."""

from pathlib import Path

import torch
from torch import Tensor

from gde.errors import bad
from gde.generators.gpt import Gpt
from gde.nets.byte_pairs import BytePairs
from gde.weights import check_config, matched, open_weights

PREFIX, TABLE, PLACES = "transformer.", "wte.weight", "wpe.weight"
UNUSED = (".attn.bias", ".attn.masked_bias", "lm_head.weight")  # constants, and the table of words once more
REMEDY = "set generator.hidden, layers and heads as {config} has them, or generator.weights: null"


class Gpt2(Gpt):
    """GPT-2's blocks without dropout. From scratch letter by letter, as `Gpt`; from the published model word by word.

    The likelihood of a text is then that of its words as the tokenizer cuts them, divided by its letters as ever; of
    more than `most_words` words the first ones count, and neither they nor samples of this length have an end mark.

    weights, weights_sha256 : directory of a published model that training starts from, and its digest. Read by
        `initialise`: a trained model does not need it.
    words : of the published vocabulary, its end mark included.
    """

    def __init__(
        self,
        dim: int,
        latent_dim: int,
        *,
        vocabulary: int = 255,
        hidden: int = 128,
        layers: int = 6,
        heads: int = 4,
        words: int = 50257,
        most_words: int = 256,
        conditioning: str = "adaln",
        prefix: int = 1,
        weights: str | None = None,
        weights_sha256: str | None = None,
        temperature: float = 1.0,
        top_p: float = 1.0,
        subsample: int | None = None,
    ):
        super().__init__(
            dim,
            latent_dim,
            vocabulary=vocabulary if weights is None else words - 1,
            hidden=hidden,
            layers=layers,
            heads=heads,
            conditioning=conditioning,
            prefix=prefix,
            temperature=temperature,
            top_p=top_p,
            subsample=subsample,
            places=None if weights is None else min(dim, most_words),
        )
        self.weights, self.weights_sha256, self.letters_known = weights, weights_sha256, vocabulary
        self.spelling = None if weights is None else BytePairs(words)

    def initialise(self) -> None:
        """Take the published `weights`, if any are named; `gde.train` calls it once before training."""
        if self.weights is not None:
            load_published(self, Path(self.weights), self.weights_sha256)

    def words(self, x: Tensor) -> Tensor:
        """Letters (r, L) -> words (r, places) int64, 1 + the published number; 0 from the end on."""
        if self.spelling is None:
            return x
        out = torch.zeros(len(x), self.places, dtype=torch.long)
        for row, letters in zip(out, x.to("cpu", torch.uint8).numpy(), strict=True):
            words = self.spelling.words(letters.tobytes().rstrip(b"\0"))[: self.places]
            row[: len(words)] = torch.tensor(words, dtype=torch.long) + 1
        return out.to(x.device)

    def spelled(self, words: Tensor) -> Tensor:
        """Words (r, places) -> letters (r, L) uint8; what would be more letters than L is cut."""
        if self.spelling is None:
            return super().spelled(words)
        out = torch.zeros(len(words), self.dim, dtype=torch.uint8)
        for row, numbers in zip(out, words.tolist(), strict=True):
            kept = numbers[: numbers.index(0)] if 0 in numbers else numbers
            text = self.spelling.text([number - 1 for number in kept])[: self.dim]
            row[: len(text)] = torch.frombuffer(bytearray(text), dtype=torch.uint8)
        return out.to(words.device)

    def scores(self, h: Tensor) -> Tensor:
        logits = super().scores(h)
        if self.spelling is not None:
            logits[..., [1 + word for word in self.spelling.with_nul]] = -torch.inf
        return logits


def load_published(model: Gpt2, path: Path, sha256: str | None = None) -> None:
    """Fill `model` with the published one in the directory `path`, which it then is, whatever the embedding.

    The vectors before the sequence start as the published end mark, which stands before a text there, too; conditioning
    starts at nothing. GdeError names what does not fit; then nothing of the model is changed.
    """
    if model.letters_known != 255:
        found = f"published words for an alphabet of {model.letters_known} letters"
        raise bad(path, found, "texts: the alphabet text", "set generator.weights: null")
    config, tensors = open_weights(path, sha256)
    remedy = REMEDY.format(config=path / "config.json")
    own = model.network.config
    sizes = {"n_embd": own.n_embd, "n_layer": own.n_layer, "n_head": own.n_head, "activation_function": "gelu_new"}
    check_config(path, config, {"model_type": "gpt2"} | sizes, remedy)
    tensors = {name.removeprefix(PREFIX): tensor for name, tensor in tensors.items()}
    tensors = {name: tensor for name, tensor in tensors.items() if not name.endswith(UNUSED)}
    shapes = {name: tuple(tensor.shape) for name, tensor in model.network.state_dict().items()}
    if PLACES in tensors and tensors[PLACES].ndim == 2:
        known = len(tensors[PLACES])
        if known < model.length:
            found = f"{known} places"
            expected = f"{model.length}, prefix and words"
            raise bad(f"{path}:{PLACES}", found, expected, "lower generator.most_words or prefix")
        shapes[PLACES] = (known, shapes[PLACES][1])
    table = tuple(model.letters.weight.shape)
    tensors = matched(path, tensors, shapes | {TABLE: table}, remedy=remedy)
    model.spelling.read(path)
    with torch.no_grad():
        for name, ours in model.network.state_dict().items():
            ours.copy_(tensors[name][: len(ours)] if name == PLACES else tensors[name])
        model.letters.weight.copy_(tensors[TABLE].roll(1, 0))  # the end mark is the last there, the first here
        model.condition.begin_as(tensors[TABLE][-1])
