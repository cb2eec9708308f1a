"""The autoregressive generator of ProGen2 (Nijkamp et al. 2023), our own implementation."""

from collections.abc import Callable
from pathlib import Path

from torch import Tensor, nn

from gde.generators.autoregressive import Autoregressive
from gde.generators.progen2_weights import load_published, read_sizes, write_sizes
from gde.nets.key_values import KeyValues
from gde.nets.parallel_block import ParallelBlock
from gde.nets.rotary import rotations
from gde.nets.sequence_condition import Film, modulated


class ProGen2(Autoregressive):
    """Blocks of attention and MLP side by side, rotary places, an output of its own.

    heads : of the attention; a divisor of hidden.
    rotary : numbers of each head that turn with the place, an even number; None = half of them.
    weights, weights_sha256 : directory of a published model that training starts from, and its digest. It has its own
        `hidden`, `layers`, `heads` and `rotary`. A trained model does not need it: `files`, what `write_files` wrote.
    """

    NORMS_OF_A_LAYER = 1

    def __init__(
        self,
        dim: int,
        latent_dim: int,
        *,
        vocabulary: int = 21,
        hidden: int = 128,
        layers: int = 6,
        heads: int = 4,
        rotary: int | None = None,
        conditioning: str = "adaln",
        prefix: int = 1,
        weights: str | None = None,
        weights_sha256: str | None = None,
        temperature: float = 1.0,
        top_p: float = 1.0,
        subsample: int | None = None,
        context: int = 0,
        context_weight: float = 1.0,
        files: Path | None = None,
    ):
        if weights is not None:
            hidden, layers, heads, rotary = read_sizes(Path(weights) if files is None else files)
        super().__init__(
            dim,
            latent_dim,
            vocabulary=vocabulary,
            hidden=hidden,
            layers=layers,
            conditioning=conditioning,
            prefix=prefix,
            temperature=temperature,
            top_p=top_p,
            subsample=subsample,
            context=context,
            context_weight=context_weight,
        )
        if hidden % heads:
            raise ValueError(f"heads: found {heads}, expected a divisor of hidden = {hidden}")
        width = hidden // heads
        rotary = (width // 2) // 2 * 2 if rotary is None else rotary
        if rotary % 2 or not 2 <= rotary <= width:
            raise ValueError(f"rotary: found {rotary}, expected an even number from 2 to {width}, a head's numbers")
        self.rotary, self.weights, self.weights_sha256 = rotary, weights, weights_sha256
        self.blocks = nn.ModuleList(ParallelBlock(hidden, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(hidden)
        self.out = nn.Linear(hidden, vocabulary + 1)
        self.register_buffer("rotation", rotations(self.length, rotary), persistent=False)

    def initialise(self) -> None:
        """Take the published `weights`, if any are named; `gde.train` calls it once before training."""
        if self.weights is not None:
            load_published(self, Path(self.weights), self.weights_sha256)

    def write_files(self, directory: Path) -> None:
        """The sizes that the settings do not tell, beside a trained model."""
        if self.weights is not None:
            hidden, heads = self.letters.embedding_dim, self.blocks[0].heads
            write_sizes(directory, hidden, len(self.blocks), heads, self.rotary)

    def scores(self, h: Tensor) -> Tensor:
        return self.out(h)

    def hidden_states(self, h: Tensor, films: list[Film] | None) -> Tensor:
        return self._through(h, films, 0, [None] * len(self.blocks))

    def start(self, rows: int, films: list[Film] | None) -> Callable[[Tensor], Tensor]:
        caches = [KeyValues(self.length) for _ in self.blocks]
        return lambda h: self._through(h[:, None], films, caches[0].held, caches)[:, 0]

    def _through(self, h: Tensor, films: list[Film] | None, place: int, caches: list[KeyValues | None]) -> Tensor:
        """The network over vectors (r, t, h) of the places from `place` on."""
        films = films or [None] * (len(self.blocks) + 1)
        rotation = self.rotation[place : place + h.shape[1]]
        for block, film, cache in zip(self.blocks, films[:-1], caches, strict=True):
            h = block(h, rotation, film, cache)
        return modulated(self.norm(h), films[-1])
