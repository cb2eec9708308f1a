"""Set encoders behind a language model: a vector per sequence from the model, a set encoder of these vectors."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from gde.encoders import REGISTRY
from gde.encoders.at_once import cut
from gde.encoders.base import Encoder, EncoderOptions
from gde.encoders.published import Published, Shared
from gde.files.io import sha256_json
from gde.nets.lora import Adapted, Adapter, adapted_by
from gde.nets.registry import build
from gde.nets.statistic import Statistic
from gde.pretrained.vector_cache import Cache, key_of, open_cache, passing_cache
from gde.sets.types.alphabet import ALPHABETS, END, lengths

REMEMBERED = 1 << 28  # bytes of sequences that are looked up and computed together
OVERHEAD = 400  # bytes of a row's key, array and places in two tables
FITTED_ON = 512  # samples that the units of a model in training are taken from; of a frozen one all that there are
FLAT = 1e-4  # standard deviation, in units of a vector's size, below which a feature is only rounding
GENTLE = 0.1  # the same for a model in training: features magnified more would move too far in a step


@dataclass(frozen=True, kw_only=True)
class LanguageModelOptions(EncoderOptions):
    """Options of an encoder behind a language model.

    then : kind and options of the set encoder of the vectors.
    mode : `frozen`, the vectors of sequences are computed once and kept (`gde.pretrained.vector_cache`); `full`, the
        model is trained; `lora`, adapters of this `rank` of its queries and values are.
    weights, weights_sha256 : directory of a published model, and its digest (`gde.pretrained.weights`); None = from
        scratch, with `hidden`, `layers` and `heads`.
    """

    then: Mapping[str, Any]
    mode: str = "full"
    weights: str | None = None
    weights_sha256: str | None = None
    rank: int = 8
    hidden: int = 64
    layers: int = 2
    heads: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mode not in ("frozen", "full", "lora") or (self.weights is None and self.mode != "full"):
            found = f"mode: found {self.mode!r} with weights {self.weights!r}"
            raise ValueError(f"{found}, expected full, or weights with the others")
        if self.hidden % self.heads:
            raise ValueError(f"heads: found {self.heads}, expected a divisor of hidden = {self.hidden}")


class LanguageModel(Encoder):
    """Sequence -> vector by a language model, in units fitted on training samples; then a set encoder, which says what
    the stages are.

    vocabulary : tokens of the alphabet; None = those of the model's.   files : what `write_files` wrote beside a
    trained model.   scratch : further sizes of a model from scratch.
    Subclasses define `alphabet`, `published` (a `Published`), `pool` and `tokenise`.
    """

    Options = LanguageModelOptions
    alphabet: str  # of the sequences it is for
    published: Published

    def __init__(
        self,
        options: LanguageModelOptions,
        *,
        dim: int,
        latent_dim: int,
        vocabulary: int | None = None,
        files: Path | None = None,
        **scratch: Any,
    ):
        super().__init__(options, dim=dim, latent_dim=latent_dim)
        tokens, mode, weights = ALPHABETS[self.alphabet], options.mode, options.weights
        if vocabulary not in (None, tokens.size):
            raise ValueError(f"vocabulary: found {vocabulary}, expected {tokens.size}, that of {self.alphabet}")
        self.mode, self.weights, self.weights_sha256, self.source = mode, weights, options.weights_sha256, None
        self._cache: Cache | None = None
        self._while_unchanging: Cache | None = None
        if weights is None:
            sizes = {"hidden": options.hidden, "layers": options.layers, "heads": options.heads}
            self.config = self.published.scratch(vocabulary=tokens.size, length=dim, **sizes, **scratch)
        else:
            self.source = Path(files) if files is not None else Path(weights)
            self.config = self.published.read_config(self.source)
        self.width = self.config["hidden_size"]
        self.then = build(
            REGISTRY, options.then, dim=self.width, latent_dim=latent_dim
        )  # first: the same in every mode
        if mode == "full":
            self.network = self.published.build(self.config)
        else:
            if files is not None:  # a trained model is of no use without what it stands on
                self.published.check_there(Path(weights))
            self.shared = Shared(self._load)
        if mode == "lora":
            pairs = self.config["num_hidden_layers"] * 2
            self.adapters = nn.ModuleList(Adapter(self.width, self.width, options.rank) for _ in range(pairs))
        self.register_buffer("centre", torch.zeros(self.width))
        self.register_buffer("spread", torch.ones(self.width))

    def initialise(self) -> None:
        """Read the published weights; `gde.training` calls it once before training."""
        if self.weights is None:
            return
        digest = self._digest()
        if self.mode == "full":
            self.published.fill(self.network, Path(self.weights), digest)

    def remember(self, chunks: Iterator[np.ndarray]) -> None:
        """Compute the vectors of all sequences that are not known yet, in chunks of tokens (m, L), where they can be
        kept: of a frozen model, and while no weights change. Memory: REMEMBERED bytes of sequences at a time."""
        if (cache := self.known()) is None:
            return
        batch: dict[bytes, np.ndarray | None] = {}  # None: known
        length: dict[bytes, int] = {}

        def fill() -> None:
            order = sorted(length, key=lambda key: (length[key], key))  # the same in every process
            cache.fill(order, lambda at: self._compute([batch[order[i]] for i in at], at))
            batch.clear()
            length.clear()

        held = 0
        for tokens in chunks:
            keys, rows = keyed(self.alphabet, tokens)
            for key, row, known in zip(keys, rows, cache.known(keys), strict=True):
                if key in length or key == EMPTY:
                    continue
                batch[key], length[key] = None if known else row.copy(), len(row)
                held += len(row) + OVERHEAD  # known or not: so every process has the same batches
            if held > REMEMBERED:
                fill()
                held = 0
        fill()
        if self.mode == "frozen":
            self.shared.release()

    @contextmanager
    def unchanging(self) -> Iterator[None]:
        """While it lasts no sequence goes through the model twice, trained or not."""
        if self.mode == "frozen" or self._while_unchanging is not None:
            yield
            return
        with passing_cache(self.width) as self._while_unchanging:
            try:
                yield
            finally:
                self._while_unchanging = None

    @torch.no_grad()
    def fit(self, x: Tensor) -> None:
        """Set the units of the vectors from training samples: tokens (n, L)."""
        vectors = self.vectors(x if self.mode == "frozen" else x[:FITTED_ON])
        least = (FLAT if self.mode == "frozen" else GENTLE) * vectors.square().mean().sqrt()
        self.centre.copy_(vectors.mean(0))
        self.spread.copy_(vectors.std(0, correction=0).clamp(min=float(least)))
        if hasattr(self.then, "fit"):
            self.then.fit((vectors - self.centre) / self.spread)

    @torch.compiler.disable
    def prepare(self, x: Tensor) -> Tensor:
        """Tokens (b, n, L) -> vectors in the units of the training samples (b, n, h) float32."""
        vectors = self.vectors(x.flatten(0, 1)).unflatten(0, x.shape[:2])
        return (vectors - self.centre) / self.spread

    def vectors(self, x: Tensor) -> Tensor:
        """What the language model says of sequences: tokens (m, L) -> (m, h) float32, zeros where no residue stands.

        One that is there several times goes through the model once, a frozen one not even that often.
        """
        if (cache := self.known()) is not None:
            keys, rows = keyed(self.alphabet, x.cpu().numpy())
            known = [key for key in keys if key != EMPTY]
            there = [row for key, row in zip(keys, rows, strict=True) if key != EMPTY]
            out = np.zeros((len(keys), self.width), np.float32)
            out[[key != EMPTY for key in keys]] = cache.look_up(
                known, lambda at: self._compute([there[i] for i in at], at)
            )
            return torch.from_numpy(out).to(x.device)
        x = torch.where((x == END).cumsum(-1) == 0, x, 0)
        unique, back = torch.unique(x, dim=0, return_inverse=True)
        length = (unique != 0).sum(-1)
        order = length.argsort(stable=True)
        order = order[length[order] > 0]
        parts, network = [], self._network(x.device)
        pieces = cut(self.config, length[order].tolist(), x.device)
        for piece in pieces:
            rows = unique[order[piece]].cpu().numpy()
            if torch.is_grad_enabled() and len(pieces) > 1:  # memory for one piece at a time
                parts.append(checkpoint(self._forward, network, rows, use_reentrant=False))
            else:
                parts.append(self._forward(network, rows))
        out = self.centre.new_zeros(len(unique), self.width)
        if parts:
            out = out.index_copy(0, order, torch.cat(parts))
        return out[back]

    def known(self) -> Cache | None:
        """The vectors that are known of this model, read in this way; None of one whose weights change."""
        if self.mode != "frozen":
            return None if torch.is_grad_enabled() else self._while_unchanging
        if self._cache is None:
            of = [type(self).__name__, self._digest(), self.reading(), version("transformers"), self._code()]
            self._cache = open_cache(sha256_json(of), self.width)
        return self._cache

    def reading(self) -> list[Any]:
        """What of the settings decides the vector of a sequence, besides the weights; JSON-able."""
        return [self.config]

    def _code(self) -> str:
        """Digest of the code that says how a sequence is read: an edit of it makes no use of old vectors."""
        from gde.definitions.digest import code_digest

        kinds = type(self), LanguageModel, self.published
        own, shared, published = (f"{kind.__module__}:{kind.__name__}" for kind in kinds)
        return code_digest([f"{own}.*", f"{shared}._forward", f"{shared}._compute", published])

    def _digest(self) -> str:
        if self.weights_sha256 is None:
            self.weights_sha256 = self.published.digest(Path(self.weights))
        return self.weights_sha256

    def write_files(self, directory: Path) -> None:
        """What a trained model needs of the published one besides its weights."""
        if self.weights is not None:
            self.published.copy(self.source, directory)

    def tokenise(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Tokens (m, L) of sequences -> the model's (m, t) int64, and which are no padding (m, t) bool."""
        raise NotImplementedError

    def pool(self, states: Tensor, there: Tensor) -> Tensor:
        """The model's last states (m, t, h), and where they are no padding (m, t) -> (m, h)."""
        raise NotImplementedError

    def _load(self) -> nn.Module:
        """The published network, its queries and values ready for adapters."""
        network = self.published.build(self.config)
        self.published.fill(network, Path(self.weights), self._digest())
        if self.mode == "lora":
            for module in self.published.attentions(network):
                module.query, module.value = Adapted(module.query), Adapted(module.value)
        return network

    def _network(self, device: torch.device) -> nn.Module:
        return self.network if self.mode == "full" else self.shared.on(device)

    def _forward(self, network: nn.Module, rows: np.ndarray) -> Tensor:
        """Vectors (m, h) float32 of tokens (m, L) that have tokens, from one pass through the network."""
        device = self.centre.device
        tokens, there = (torch.from_numpy(v).to(device) for v in self.tokenise(rows))
        if self.mode != "lora":
            return self.pool(network(input_ids=tokens, attention_mask=there.long()).last_hidden_state.float(), there)
        maps = [m for module in self.published.attentions(network) for m in (module.query, module.value)]
        with adapted_by(maps, self.adapters):
            return self.pool(network(input_ids=tokens, attention_mask=there.long()).last_hidden_state.float(), there)

    @torch.no_grad()
    def _compute(self, rows: list[np.ndarray], at: list[int]) -> Iterator[tuple[list[int], np.ndarray]]:
        """Vectors of sequences (L,) by their positions `at`, short ones first, as
        `gde.pretrained.vector_cache.Compute`."""
        device = self.centre.device
        network, length = self._network(device), [len(row) for row in rows]
        order = sorted(range(len(rows)), key=length.__getitem__)
        for piece in cut(self.config, [length[i] for i in order], device):
            own = order[piece]
            with torch.autocast(device.type, enabled=False):  # what is kept for ever is exact
                vectors = self._forward(network, stacked([rows[i] for i in own]))
            yield [at[i] for i in own], vectors.cpu().numpy()

    @property
    def n_stages(self) -> int:
        return self.then.n_stages

    def stage(self, k: int, x: Tensor, h: Tensor | None, pooled: list[Any]) -> Tensor:
        return self.then.stage(k, x, h, pooled)

    def statistic(self, k: int) -> Statistic:
        return self.then.statistic(k)

    def readout(self, pooled: list[Any]) -> Tensor:
        return self.then.readout(pooled)


EMPTY = key_of(b"")


def keyed(alphabet: str, tokens: np.ndarray) -> tuple[list[bytes], list[np.ndarray]]:
    """Keys of sequences, tokens (m, L), and the tokens of each before its end, views (n_i,)."""
    ends = lengths(tokens).tolist()
    text = ALPHABETS[alphabet].characters[tokens]
    keys = [key_of(row[:n].tobytes()) for row, n in zip(text, ends, strict=True)]
    return keys, [row[:n] for row, n in zip(tokens, ends, strict=True)]


def stacked(rows: list[np.ndarray]) -> np.ndarray:
    """Tokens (m, L) of rows (n_i,), L the longest, zeros behind the end."""
    out = np.zeros((len(rows), max(map(len, rows))), np.uint8)
    for whole, row in zip(out, rows, strict=True):
        whole[: len(row)] = row
    return out
