"""A plain GPT-2 (Radford et al. 2019) from `transformers`, as a baseline; always trained from scratch."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from transformers import DynamicCache, GPT2Config, GPT2Model
from transformers.cache_utils import DynamicLayer

from gde.generators.autoregressive import Autoregressive
from gde.nets.key_values import KeyValues
from gde.nets.sequence_condition import Film, modulated


class FilmNorm(nn.LayerNorm):
    """A layer norm whose output is modulated while `film` is set, inside a network that has no argument for it."""

    film: Film | None = None

    def forward(self, h: Tensor) -> Tensor:
        return modulated(super().forward(h), self.film)


class HeldLayer(DynamicLayer):
    """Keys and values in room that is made once, where the original copies all of them for every place."""

    def __init__(self, length: int):
        super().__init__()
        self.room = KeyValues(length)

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        self.is_initialized = True
        self.keys, self.values = self.room.add(key_states, value_states)
        return self.keys, self.values


class Gpt(Autoregressive):
    """GPT-2's blocks without dropout.

    heads : of the attention; a divisor of hidden.
    """

    def __init__(
        self,
        dim: int,
        latent_dim: int,
        *,
        vocabulary: int = 5,
        hidden: int = 128,
        layers: int = 6,
        heads: int = 4,
        conditioning: str = "adaln",
        prefix: int = 1,
        temperature: float = 1.0,
        top_p: float = 1.0,
        subsample: int | None = None,
        context: int = 0,
        context_weight: float = 1.0,
        places: int | None = None,
        sites: int = 0,
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
            places=places,
            sites=sites,
        )
        if hidden % heads:
            raise ValueError(f"heads: found {heads}, expected a divisor of hidden = {hidden}")
        sizes = {"n_positions": self.length, "n_embd": hidden, "n_layer": layers, "n_head": heads}
        dropout = dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), 0.0)
        marks = dict.fromkeys(
            ("bos_token_id", "eos_token_id")
        )  # ours is row 0 of the letters, of which it knows nothing
        self.network = GPT2Model(GPT2Config(vocab_size=vocabulary + 1, **sizes, **dropout, **marks))
        self.network.wte = None  # it is given vectors of letters, ours
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
