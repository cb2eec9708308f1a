"""GPT-2 (Radford et al. 2019) that may start from the published model, and then reads and writes its subwords."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from gde.generators.autoregressive import AttentionOptions, PublishedOptions
from gde.generators.gpt import Gpt
from gde.generators.gpt2_subwords import BytePairs
from gde.generators.gpt2_weights import load_published, read_sizes, write_sizes


@dataclass(frozen=True, kw_only=True)
class Gpt2Options(PublishedOptions, AttentionOptions):
    """Options of `Gpt2`.

    weights : directory of a published model, which has its own `hidden`, `layers` and `heads`.
    max_subwords : of a text, with published weights; the rest is cut.
    """

    max_subwords: int = 256


class Gpt2(Gpt):
    """GPT-2's blocks without dropout. From scratch token by token, as `Gpt`; from the published model subword by
    subword.

    The likelihood of a text is then that of its subwords as the tokenizer cuts them, divided by its tokens as ever; of
    more than `max_subwords` subwords the first ones count. Neither they nor samples of this length have an end mark,
    nor has a text that fills its row.

    files : what `write_files` wrote beside a trained model; None = its published model is there.
    """

    Options = Gpt2Options

    def __init__(
        self, options: Gpt2Options, *, dim: int, latent_dim: int, vocabulary: int = 255, files: Path | None = None
    ):
        subwords = None
        if options.weights is not None:
            hidden, layers, heads, subwords = read_sizes(Path(options.weights) if files is None else files)
            options = replace(options, hidden=hidden, layers=layers, heads=heads)
        super().__init__(
            options,
            dim=dim,
            latent_dim=latent_dim,
            vocabulary=vocabulary if subwords is None else subwords - 1,
            positions=None if subwords is None else min(dim, options.max_subwords),
        )
        self.weights, self.weights_sha256, self.tokens_known = options.weights, options.weights_sha256, vocabulary
        self.spelling = None if subwords is None else BytePairs(subwords)
        self.BEGINS = self.spelling is None  # tokens are not the units

    def initialise(self) -> None:
        """Take the published `weights`, if any are named; `gde.training` calls it once before training."""
        if self.weights is not None:
            load_published(self, Path(self.weights), self.weights_sha256)

    def write_files(self, directory: Path) -> None:
        """The sizes that the settings do not tell, beside a trained model."""
        if self.weights is not None:
            own = self.network.config
            write_sizes(directory, own.n_embd, own.n_layer, own.n_head, self.vocabulary + 1)

    def subwords(self, x: Tensor) -> Tensor:
        """Tokens (r, L) -> subwords (r, positions) int64, 1 + the published number; 0 from the end on."""
        if self.spelling is None:
            return x
        out = torch.zeros(len(x), self.positions, dtype=torch.long)
        for row, tokens in zip(out, x.to("cpu", torch.uint8).numpy(), strict=True):
            subwords = self.spelling.subwords(tokens.tobytes().rstrip(b"\0"))[: self.positions]
            row[: len(subwords)] = torch.tensor(subwords, dtype=torch.long) + 1
        return out.to(x.device)

    def spelled(self, subwords: Tensor) -> Tensor:
        """Subwords (r, positions) -> tokens (r, L) uint8; what would be more tokens than L is cut."""
        if self.spelling is None:
            return super().spelled(subwords)
        out = torch.zeros(len(subwords), self.dim, dtype=torch.uint8)
        for row, numbers in zip(out, subwords.tolist(), strict=True):
            kept = numbers[: numbers.index(0)] if 0 in numbers else numbers
            text = self.spelling.text([number - 1 for number in kept])[: self.dim]
            row[: len(text)] = torch.frombuffer(bytearray(text), dtype=torch.uint8)
        return out.to(subwords.device)

    def covered(self, x: Tensor) -> Tensor:
        return x if self.spelling is None else self.spelled(self.subwords(x))

    def ends(self, x: Tensor) -> Tensor:
        found = super().ends(x)
        return found if self.spelling is None else found & (self.subwords(x) == 0).any(-1)

    def scores(self, h: Tensor) -> Tensor:
        logits = super().scores(h)
        if self.spelling is not None:
            logits[..., [1 + subword for subword in self.spelling.with_nul]] = -torch.inf
        return logits
