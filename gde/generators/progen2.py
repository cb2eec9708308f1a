"""The autoregressive generator of ProGen2 (Nijkamp et al. 2023), our own implementation."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor, nn

from gde.generators.autoregressive import AttentionOptions, Autoregressive, ContextOptions, PublishedOptions
from gde.generators.progen2_weights import load_published, read_sizes, write_sizes
from gde.nets.key_values import KeyValues
from gde.nets.parallel_block import ParallelBlock
from gde.nets.rotary import rotations
from gde.nets.sequence_condition import Film, modulated


@dataclass(frozen=True, kw_only=True)
class ProGen2Options(PublishedOptions, ContextOptions, AttentionOptions):
    """Options of `ProGen2`.

    rotary : numbers of each head that turn with the position, an even number; None = half of them.
    weights : directory of a published model, which has its own `hidden`, `layers`, `heads` and `rotary`.
    """

    rotary: int | None = None


class ProGen2(Autoregressive):
    """Blocks of attention and MLP side by side, rotary positions, an output of its own.

    files : what `write_files` wrote beside a trained model; None = its published model is there.
    """

    Options = ProGen2Options

    NORMS_OF_A_LAYER = 1

    def __init__(
        self, options: ProGen2Options, *, dim: int, latent_dim: int, vocabulary: int = 21, files: Path | None = None
    ):
        if options.weights is not None:
            hidden, layers, heads, rotary = read_sizes(Path(options.weights) if files is None else files)
            options = replace(options, hidden=hidden, layers=layers, heads=heads, rotary=rotary)
        super().__init__(options, dim=dim, latent_dim=latent_dim, vocabulary=vocabulary)
        hidden, heads = options.hidden, options.heads
        width = hidden // heads
        rotary = (width // 2) // 2 * 2 if options.rotary is None else options.rotary
        if rotary % 2 or not 2 <= rotary <= width:
            raise ValueError(f"rotary: found {rotary}, expected an even number from 2 to {width}, a head's numbers")
        self.rotary, self.weights, self.weights_sha256 = rotary, options.weights, options.weights_sha256
        self.blocks = nn.ModuleList(ParallelBlock(hidden, heads) for _ in range(options.layers))
        self.norm = nn.LayerNorm(hidden)
        self.out = nn.Linear(hidden, vocabulary + 1)
        self.register_buffer("rotation", rotations(self.length, rotary), persistent=False)

    def initialise(self) -> None:
        """Take the published `weights`, if any are named; `gde.training` calls it once before training."""
        if self.weights is not None:
            load_published(self, Path(self.weights), self.weights_sha256)

    def write_files(self, directory: Path) -> None:
        """The sizes that the settings do not tell, beside a trained model."""
        if self.weights is not None:
            hidden, heads = self.token_embedding.embedding_dim, self.blocks[0].heads
            write_sizes(directory, hidden, len(self.blocks), heads, self.rotary)

    def scores(self, h: Tensor) -> Tensor:
        return self.out(h)

    def hidden_states(self, h: Tensor, films: list[Film] | None) -> Tensor:
        return self._through(h, films, 0, [None] * len(self.blocks))

    def start(self, rows: int, films: list[Film] | None) -> Callable[[Tensor], Tensor]:
        caches = [KeyValues(self.length) for _ in self.blocks]
        return lambda h: self._through(h[:, None], films, caches[0].held, caches)[:, 0]

    def _through(self, h: Tensor, films: list[Film] | None, position: int, caches: list[KeyValues | None]) -> Tensor:
        """The network over vectors (r, t, h) of the positions from `position` on."""
        films = films or [None] * (len(self.blocks) + 1)
        rotation = self.rotation[position : position + h.shape[1]]
        for block, film, cache in zip(self.blocks, films[:-1], caches, strict=True):
            h = block(h, rotation, film, cache)
        return modulated(self.norm(h), films[-1])
