"""GPT-2 (Radford et al. 2019) that may start from the published model, and then reads and writes its words."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from gde.generators.autoregressive import AttentionOptions, PublishedOptions
from gde.generators.gpt import Gpt
from gde.generators.gpt2_weights import load_published, read_sizes, write_sizes
from gde.generators.gpt2_words import BytePairs


@dataclass(frozen=True, kw_only=True)
class Gpt2Options(PublishedOptions, AttentionOptions):
    """Options of `Gpt2`.

    weights : directory of a published model, which has its own `hidden`, `layers` and `heads`.
    most_words : of a text, with published weights; the rest is cut.
    """

    most_words: int = 256


class Gpt2(Gpt):
    """GPT-2's blocks without dropout. From scratch letter by letter, as `Gpt`; from the published model word by word.

    The likelihood of a text is then that of its words as the tokenizer cuts them, divided by its letters as ever; of
    more than `most_words` words the first ones count. Neither they nor samples of this length have an end mark, nor has
    a text that fills its row.

    files : what `write_files` wrote beside a trained model; None = its published model is there.
    """

    Options = Gpt2Options

    def __init__(
        self, options: Gpt2Options, *, dim: int, latent_dim: int, vocabulary: int = 255, files: Path | None = None
    ):
        words = None
        if options.weights is not None:
            hidden, layers, heads, words = read_sizes(Path(options.weights) if files is None else files)
            options = replace(options, hidden=hidden, layers=layers, heads=heads)
        super().__init__(
            options,
            dim=dim,
            latent_dim=latent_dim,
            vocabulary=vocabulary if words is None else words - 1,
            places=None if words is None else min(dim, options.most_words),
        )
        self.weights, self.weights_sha256, self.letters_known = options.weights, options.weights_sha256, vocabulary
        self.spelling = None if words is None else BytePairs(words)
        self.BEGINS = self.spelling is None  # letters are not the units

    def initialise(self) -> None:
        """Take the published `weights`, if any are named; `gde.train` calls it once before training."""
        if self.weights is not None:
            load_published(self, Path(self.weights), self.weights_sha256)

    def write_files(self, directory: Path) -> None:
        """The sizes that the settings do not tell, beside a trained model."""
        if self.weights is not None:
            own = self.network.config
            write_sizes(directory, own.n_embd, own.n_layer, own.n_head, self.vocabulary + 1)

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

    def covered(self, x: Tensor) -> Tensor:
        return x if self.spelling is None else self.spelled(self.words(x))

    def ends(self, x: Tensor) -> Tensor:
        found = super().ends(x)
        return found if self.spelling is None else found & (self.words(x) == 0).any(-1)

    def scores(self, h: Tensor) -> Tensor:
        logits = super().scores(h)
        if self.spelling is not None:
            logits[..., [1 + word for word in self.spelling.with_nul]] = -torch.inf
        return logits
