"""GPT-2 (Radford et al. 2019) that may start from the published model, and then reads and writes its words."""

from pathlib import Path

import torch
from torch import Tensor

from gde.generators.gpt import Gpt
from gde.generators.gpt2_weights import load_published, read_sizes, write_sizes
from gde.generators.gpt2_words import BytePairs


class Gpt2(Gpt):
    """GPT-2's blocks without dropout. From scratch letter by letter, as `Gpt`; from the published model word by word.

    The likelihood of a text is then that of its words as the tokenizer cuts them, divided by its letters as ever; of
    more than `most_words` words the first ones count. Neither they nor samples of this length have an end mark, nor has
    a text that fills its row.

    weights, weights_sha256 : directory of a published model that training starts from, and its digest. It has its own
        `hidden`, `layers` and `heads`. A trained model does not need it: `files`, what `write_files` wrote.
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
        most_words: int = 256,
        conditioning: str = "adaln",
        prefix: int = 1,
        weights: str | None = None,
        weights_sha256: str | None = None,
        temperature: float = 1.0,
        top_p: float = 1.0,
        subsample: int | None = None,
        files: Path | None = None,
    ):
        words = None
        if weights is not None:
            hidden, layers, heads, words = read_sizes(Path(weights) if files is None else files)
        super().__init__(
            dim,
            latent_dim,
            vocabulary=vocabulary if words is None else words - 1,
            hidden=hidden,
            layers=layers,
            heads=heads,
            conditioning=conditioning,
            prefix=prefix,
            temperature=temperature,
            top_p=top_p,
            subsample=subsample,
            places=None if words is None else min(dim, most_words),
        )
        self.weights, self.weights_sha256, self.letters_known = weights, weights_sha256, vocabulary
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
