"""A plain GPT-2 (Radford et al. 2019) from `transformers`, as a baseline; always trained from scratch."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from transformers import DynamicCache, GPT2Config, GPT2Model
from transformers.cache_utils import DynamicLayer

from gde.generators.autoregressive import AttentionOptions, Autoregressive, ContextOptions
from gde.nets.key_values import KeyValues
from gde.nets.sequence_condition import Film, modulated


class FilmNorm(nn.LayerNorm):
    """A layer norm whose output is modulated while `film` is set, inside a network that has no argument for it."""

    film: Film | None = None

    def forward(self, h: Tensor) -> Tensor:
        return modulated(super().forward(h), self.film)


class HeldLayer(DynamicLayer):
    """Keys and values in room that is made once, where the original copies all of them for every position."""

    def __init__(self, length: int):
        super().__init__()
        self.room = KeyValues(length)

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        self.is_initialized = True
        self.keys, self.values = self.room.add(key_states, value_states)
        return self.keys, self.values


@dataclass(frozen=True, kw_only=True)
class GptOptions(ContextOptions, AttentionOptions):
    """Options of `Gpt`.

    sites : see `AutoregressiveOptions`.
    """

    sites: int = 0


class Gpt(Autoregressive):
    """GPT-2's blocks without dropout."""

    Options = GptOptions

    def __init__(
        self, options: AttentionOptions, *, dim: int, latent_dim: int, vocabulary: int = 5, positions: int | None = None
    ):
        super().__init__(options, dim=dim, latent_dim=latent_dim, vocabulary=vocabulary, positions=positions)
        hidden = options.hidden
        sizes = {"n_positions": self.length, "n_embd": hidden, "n_layer": options.layers, "n_head": options.heads}
        dropout = dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), 0.0)
        marks = dict.fromkeys(
            ("bos_token_id", "eos_token_id")
        )  # ours is row 0 of the tokens, of which it knows nothing
        self.network = GPT2Model(GPT2Config(vocab_size=vocabulary + 1, **sizes, **dropout, **marks))
        self.network.wte = None  # it is given vectors of tokens, ours
        for block in self.network.h:
            block.ln_1, block.ln_2 = FilmNorm(hidden), FilmNorm(hidden)
        self.network.ln_f = FilmNorm(hidden)

    def hidden_states(self, h: Tensor, films: list[Film] | None) -> Tensor:
        with self._modulated_by(films):
            return self.network(inputs_embeds=h, use_cache=False).last_hidden_state

    def start(self, rows: int, films: list[Film] | None) -> Callable[[Tensor], Tensor]:
        cache = DynamicCache(config=self.network.config)
        cache.layers = [HeldLayer(self.length) for _ in self.network.h]

        def step(h: Tensor) -> Tensor:
            with self._modulated_by(films):
                out = self.network(inputs_embeds=h[:, None], past_key_values=cache, use_cache=True)
            return out.last_hidden_state[:, 0]

        return step

    @contextmanager
    def _modulated_by(self, films: list[Film] | None) -> Iterator[None]:
        norms = [norm for block in self.network.h for norm in (block.ln_1, block.ln_2)] + [self.network.ln_f]
        try:
            for norm, film in zip(norms, films or [None] * len(norms), strict=True):
                norm.film = film
            yield
        finally:  # what is kept would keep a graph alive and could not be copied
            for norm in norms:
                norm.film = None
