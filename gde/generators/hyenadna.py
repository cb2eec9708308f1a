"""The autoregressive generator of HyenaDNA (Nguyen et al. 2023), our own implementation."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from gde.generators.autoregressive import Autoregressive, ContextOptions, PublishedOptions
from gde.generators.hyenadna_weights import load_published
from gde.nets.hyena import HyenaBlock, HyenaCache
from gde.nets.sequence_condition import Film, modulated


@dataclass(frozen=True, kw_only=True)
class HyenaDnaOptions(PublishedOptions, ContextOptions):
    """Options of `HyenaDna`.

    filter_hidden, filter_features, frequency : width, inputs and first frequency of the MLPs that give the filters.
    filter_length : positions over which these MLPs are defined; None = as many as the sequences have.
    """

    filter_hidden: int = 64
    filter_features: int = 5
    frequency: float = 10.0
    filter_length: int | None = None


class HyenaDna(Autoregressive):
    """Pre-norm blocks of a Hyena operator and an MLP; tokens share their vectors with the output."""

    Options = HyenaDnaOptions

    def __init__(self, options: HyenaDnaOptions, *, dim: int, latent_dim: int, vocabulary: int = 5):
        super().__init__(options, dim=dim, latent_dim=latent_dim, vocabulary=vocabulary)
        if options.filter_length is not None and options.filter_length < self.length:
            found = f"filter_length: found {options.filter_length}"
            raise ValueError(f"{found}, expected at least {self.length}, the positions of these sequences; raise it")
        self.weights, self.weights_sha256 = options.weights, options.weights_sha256
        self.filter_length = options.filter_length or self.length
        filters = {
            "width": options.filter_hidden,
            "features": options.filter_features,
            "frequency": options.frequency,
        }
        blocks = (HyenaBlock(options.hidden, self.filter_length, **filters) for _ in range(options.layers))
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(options.hidden)

    def initialise(self) -> None:
        """Take the published `weights`, if any are named; `gde.training` calls it once before training."""
        if self.weights is not None:
            load_published(self, Path(self.weights), self.weights_sha256)

    def hidden_states(self, h: Tensor, films: list[Film] | None) -> Tensor:
        return self._through(h, films, [None] * len(self.blocks))

    def start(self, rows: int, films: list[Film] | None) -> Callable[[Tensor], Tensor]:
        caches = [HyenaCache(block.mixer, rows, self.length) for block in self.blocks]
        films = None if films is None else [(scale[:, 0], shift[:, 0]) for scale, shift in films]
        return lambda h: self._through(h, films, [cache.step for cache in caches])

    def _through(self, h: Tensor, films: list[Film] | None, mixers: list[Callable | None]) -> Tensor:
        films = films or [None] * (2 * len(self.blocks) + 1)
        for i, (block, mixer) in enumerate(zip(self.blocks, mixers, strict=True)):
            h = block(h, films[2 * i : 2 * i + 2], mixer)
        return modulated(self.norm(h), films[-1])
