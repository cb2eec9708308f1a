"""The autoregressive generator of HyenaDNA (Nguyen et al. 2023), our own implementation."""

from collections.abc import Callable
from pathlib import Path

from torch import Tensor, nn

from gde.generators.autoregressive import Autoregressive
from gde.nets.hyena import HyenaBlock, HyenaCache
from gde.nets.sequence_condition import Film, modulated


class HyenaDna(Autoregressive):
    """Pre-norm blocks of a Hyena operator and an MLP; letters share their vectors with the output.

    filter_hidden, filter_features, frequency : width, inputs and first frequency of the MLPs that give the filters.
    filter_length : positions over which these MLPs are defined; None = as many as the sequences have.
    weights, weights_sha256 : published weights (safetensors) that training starts from, and their digest, so that the
        settings tell what was trained. Read by `initialise`: a trained model does not need the file.
    """

    def __init__(
        self,
        dim: int,
        latent_dim: int,
        *,
        vocabulary: int = 5,
        hidden: int = 128,
        layers: int = 6,
        conditioning: str = "adaln",
        prefix: int = 1,
        filter_hidden: int = 64,
        filter_features: int = 5,
        frequency: float = 10.0,
        filter_length: int | None = None,
        weights: str | None = None,
        weights_sha256: str | None = None,
        temperature: float = 1.0,
        top_p: float = 1.0,
        subsample: int | None = None,
        context: int = 0,
        context_weight: float = 1.0,
    ):
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
        if filter_length is not None and filter_length < self.length:
            found = f"filter_length: found {filter_length}"
            raise ValueError(f"{found}, expected at least {self.length}, the places of these sequences; raise it")
        self.weights, self.weights_sha256 = weights, weights_sha256
        self.filter_length = filter_length or self.length
        options = {"width": filter_hidden, "features": filter_features, "frequency": frequency}
        self.blocks = nn.ModuleList(HyenaBlock(hidden, self.filter_length, **options) for _ in range(layers))
        self.norm = nn.LayerNorm(hidden)

    def initialise(self) -> None:
        """Take the published `weights`, if any are named; `gde.train` calls it once before training."""
        if self.weights is not None:
            from gde.generators.hyenadna_weights import load_published

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
