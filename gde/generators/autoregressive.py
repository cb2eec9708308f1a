"""Autoregressive generators: what generators share that draw a sequence token by token."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from gde.generators.base import Generator, SequenceOptions
from gde.nets.choosing import choose_samples
from gde.nets.drawing import draw, drawing
from gde.nets.pool import sample_mean
from gde.nets.registry import Options
from gde.nets.sequence_condition import Condition, Film, SequenceCondition
from gde.nets.site_logits import SiteLogits
from gde.nets.tokens import cleaned, possible, tokens_nll
from gde.sets.random import ShardRandom

ROWS_AT_ONCE = {"cpu": 512, "cuda": 8192}  # sequences drawn or scored together
NUMBERS_AT_ONCE = {"cpu": 2**28, "cuda": 2**32}  # kept for them, 1 and 16 GiB: fewer sequences where they are long
STATES = 32  # vectors of a position that a layer has at once, at most; the next one takes their room
LOGITS = 3  # times that the logits are there: as they come, with the first position closed, and their log-softmax
LINKS = 4  # times more where positions have logits of their own, and expect tokens by them
TOKEN_SD = 0.02  # of the vectors of tokens at first: nearly uniform predictions
LOOK = 16  # positions between two looks whether all sequences have ended


@dataclass(frozen=True, kw_only=True)
class AutoregressiveOptions(SequenceOptions):
    """Options of a kind that draws token by token.

    conditioning, prefix : see `gde.nets.sequence_condition`.
    context, context_weight : how many tokens at the beginning count with this weight in the loss, the others with 1.
    sites : rank of the logits of each position, and of its links to those before, beside those of the network; 0 =
        without (`SiteLogits`). They take the alphabet's last token for any: it is missing, neither learned nor drawn.

    The last three are options of some kinds only, whose classes make fields of them.
    """

    layers: int = 6
    conditioning: str = "adaln"
    prefix: int = 1
    context: ClassVar[int] = 0
    context_weight: ClassVar[float] = 1.0
    sites: ClassVar[int] = 0


@dataclass(frozen=True, kw_only=True)
class ContextOptions(AutoregressiveOptions):
    """Options of a kind that may give the first tokens another weight."""

    context: int = 0
    context_weight: float = 1.0


@dataclass(frozen=True, kw_only=True)
class AttentionOptions(AutoregressiveOptions):
    """Options of a kind with attention.

    heads : of the attention; a divisor of hidden.
    """

    heads: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.hidden % self.heads:
            raise ValueError(f"heads: found {self.heads}, expected a divisor of hidden = {self.hidden}")


@dataclass(frozen=True, kw_only=True)
class PublishedOptions(Options):
    """Options of a kind that may start from published weights.

    weights, weights_sha256 : published weights that training starts from, and their digest, so that the settings
    tell what was trained. Read by `initialise`: a trained model does not need them.
    """

    weights: str | None = None
    weights_sha256: str | None = None


class Autoregressive(Generator):
    """Embedding -> distribution of sequences, p(x | z) = product of p(token | tokens before, z), the end mark included.

    Vectors that follow from z stand before the sequence; the last one predicts the first token. Input and output
    share their vectors of tokens, row 0 being the end mark. Subclasses define `hidden_states` and `start`, see below;
    those that read and write other units than tokens also `subwords` and `spelled`, those with an output of their own
    `scores`.

    positions : units of a sequence at most, where they are not its tokens; None = `dim`.
    """

    NORMS_OF_A_LAYER = 2
    BEGINS = True  # `sample` takes tokens to begin with

    def __init__(
        self,
        options: AutoregressiveOptions,
        *,
        dim: int,
        latent_dim: int,
        vocabulary: int,
        positions: int | None = None,
    ):
        super().__init__()
        hidden, layers, sites = options.hidden, options.layers, options.sites
        self.dim, self.vocabulary, self.temperature, self.top_p = dim, vocabulary, options.temperature, options.top_p
        self.subsample, self.positions = options.subsample, dim if positions is None else positions
        self.known = vocabulary - 1 if sites else None  # tokens above it stand for any
        self.length = options.prefix + self.positions - 1  # of the network: nothing follows the last token
        self.kept = 2 * layers * hidden * self.length  # numbers of the caches of a sequence
        logits = (LOGITS + LINKS * bool(sites)) * self.positions * (vocabulary + 1)
        self.scored = STATES * hidden * self.length + logits  # and of its likelihood
        self.context, self.context_weight = options.context, options.context_weight
        if not 0 <= self.context < dim or not 0 <= self.context_weight < math.inf:
            found = f"context, context_weight: found {self.context}, {self.context_weight}"
            raise ValueError(f"{found}, expected fewer tokens than {dim}, and a weight of 0 or more")
        self.token_embedding = nn.Embedding(vocabulary + 1, hidden)
        nn.init.normal_(self.token_embedding.weight, std=TOKEN_SD)
        norms = self.NORMS_OF_A_LAYER * layers + 1
        own = SiteLogits(self.positions, vocabulary + 1, latent_dim, sites, self.known) if sites else None
        self.condition = SequenceCondition(
            options.conditioning, latent_dim, hidden, prefix=options.prefix, norms=norms, sites=own
        )

    def fit(self, x: Tensor) -> None:
        """Start from the tokens usual at each position of training tokens x (n, L), where positions have their
        logits."""
        if self.condition.sites is not None:
            self.condition.sites.fit(x)

    def masked_loss(self, x: Tensor, z: Tensor, mask: Tensor | None, weight: Tensor | None, rng: ShardRandom) -> Tensor:
        """Negative log-likelihood in nats (of the first tokens: times `context_weight`), divided by the length L.

        x : (b, n, L) tokens. Of each set `rng` chooses the `subsample`. Without gradients (validation) all samples
        count; with them the loss of the positions' own distribution, if there is one, is added.
        """
        condition = self.condition(z)
        alone = self._sites_alone(condition.sites, x, mask, weight) if torch.is_grad_enabled() else 0.0
        if self.subsample is not None and self.subsample < x.shape[1] and torch.is_grad_enabled():
            keys = rng.rand(*x.shape[:2])
            x, mask = choose_samples(x, mask, weight, self.subsample, keys)
            weight = None  # drawn by it
        x = cleaned(x, mask)
        rows = torch.arange(len(z), device=z.device).repeat_interleave(x.shape[1])
        flat = x.flatten(0, 1)
        subwords = self.subwords(flat)
        logits = self.logits(subwords, condition.of_rows(rows))
        ended = (flat == 0).any(-1)  # not of what fills its row: it may go on
        nll = self._nll(logits, subwords, weight=self.position_weights(z.device), ended=ended).view(x.shape[:2])
        return sample_mean(nll / self.dim, mask, weight) + alone

    def _nll(self, logits: Tensor, x: Tensor, **options: Any) -> Tensor:
        """`tokens_nll` of the tokens that have a distribution."""
        return tokens_nll(logits, x, known=self.known, **options)

    def _sites_alone(
        self, logits: Tensor | None, x: Tensor, mask: Tensor | None, weight: Tensor | None
    ) -> Tensor | float:
        """The loss of the positions' own distribution, `logits` (b, L, v + 1), without the network: of all sequences of
        the sets, since it costs little, where the network sees a subsample. It is what shares of single tokens are
        learned from."""
        if logits is None:
            return 0.0
        nll = self.condition.sites.nll(logits, cleaned(x, mask), self.position_weights(x.device))
        return sample_mean(nll / self.dim, mask, weight)

    def position_weights(self, device: torch.device) -> Tensor | None:
        """Weights (L,) of the positions in the loss; None where all are 1."""
        if not self.context or self.context_weight == 1:
            return None
        before = torch.arange(self.dim, device=device) < self.context
        return torch.where(before, self.context_weight, 1.0)

    def logits(self, x: Tensor, condition: Condition) -> Tensor:
        """Logits (r, L, v + 1) of every position of sequences x (r, L), each given the tokens before."""
        tokens = self.token_embedding(x[:, :-1])
        if condition.added is not None:
            tokens = tokens + condition.added
        h = self.hidden_states(torch.cat([condition.prefix, tokens.to(condition.prefix.dtype)], 1), condition.films)
        scores = self.scores(h[:, self.condition.prefix - 1 :])
        if condition.sites is None:
            return scores
        return scores + condition.sites + self.condition.sites.linked(x, condition.sites)

    def scores(self, h: Tensor) -> Tensor:
        """Logits (..., v + 1) of what the network gives, (..., h); class 0 is the end mark."""
        return h @ self.token_embedding.weight.T

    def subwords(self, x: Tensor) -> Tensor:
        """Tokens (r, L) int64 as `cleaned` gives -> the units that the network reads, alike: here the same."""
        return x

    def spelled(self, subwords: Tensor) -> Tensor:
        """Units (r, positions) int64 -> tokens (r, L) uint8, both with zeros from the end on."""
        return subwords.to(torch.uint8)

    def covered(self, x: Tensor) -> Tensor:
        """Of sequences (r, L) uint8 the beginnings that `log_prob` is of: all, where units are tokens."""
        return x

    def ends(self, x: Tensor) -> Tensor:
        """Whether `log_prob` is of the end, too, of each of the sequences (r, L): (r,) bool."""
        return (x == 0).any(-1)

    @torch.no_grad()
    def log_prob(self, x: Tensor, z: Tensor, mask: Tensor | None = None) -> Tensor:
        """Log-probability of each sequence in nats, of its tokens up to `known`: x (b, n, L), z (b, l) -> (b, n); 0
        behind the mask."""
        x = cleaned(x, mask)
        flat, found = x.flatten(0, 1), x.new_zeros(x.shape[0] * x.shape[1], dtype=torch.float32)
        for part, of in self._pieces(len(z), x.shape[1], z.device, self.scored):
            subwords, ended = self.subwords(flat[part]), (flat[part] == 0).any(-1)
            found[part] = -self._nll(self.logits(subwords, self.condition(z[of])), subwords, ended=ended)
        return found.view(x.shape[:2])

    @torch.no_grad()
    def sample(
        self,
        z: Tensor,
        n: int,
        *,
        generator: torch.Generator | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        given: Tensor | None = None,
    ) -> Tensor:
        """z : (b, l).   returns tokens (b, n, L) uint8, 0 after the end; the same generator state gives the same.

        given : (b, n, k) uint8, tokens that the sequences begin with; what follows is drawn given z and them.
        """
        options = drawing((self.temperature, self.top_p), temperature, top_p)
        if given is not None:
            given = self._beginning(given, len(z), n)
        out = torch.zeros(len(z) * n, self.dim, dtype=torch.uint8, device=z.device)
        for part, of in self._pieces(len(z), n, z.device, self.kept):
            begun = None if given is None else given[part]
            out[part] = self.spelled(self._draw(self.condition(z[of]), begun, generator=generator, **options))
        return out.view(len(z), n, self.dim)

    def _beginning(self, given: Tensor, b: int, n: int) -> Tensor:
        """Units (b n, k) of tokens that sequences begin with. ValueError where they do not fit."""
        if given.shape[:2] != (b, n) or given.shape[2] > self.dim or (given == 0).any():
            found = f"shape {tuple(given.shape)}" + (", an end among them" if (given == 0).any() else "")
            raise ValueError(f"given: found {found}, expected ({b}, {n}, at most {self.dim}) tokens")
        subwords = self.subwords(given.flatten(0, 1).long())
        if subwords.shape[1] != given.shape[2]:
            raise ValueError("given: found tokens for a generator of other units, expected None")
        return subwords

    def _draw(self, condition: Condition, begun: Tensor | None, **options: Any) -> Tensor:
        """Units (r, positions) int64 of a sequence for each row, one by one; a position costs one step of the network.

        begun : (r, k) units that stand already; None = none.
        """
        rows = len(condition.prefix)
        out = torch.zeros(rows, self.positions, dtype=torch.long, device=condition.prefix.device)
        h, step, sites = None, self.start(rows, condition.films), self.condition.sites
        said, expected = 0.0, None if sites is None else sites.expected(condition.sites)
        for vector in condition.prefix.unbind(1):
            h = step(vector)
        running = torch.ones(rows, dtype=torch.bool, device=out.device)
        for t in range(self.positions):
            logits = self.scores(h)
            if sites is not None:
                logits = logits + condition.sites[:, t] + (said @ sites.follows[t] if t else 0.0)
            if t == 0:
                logits = possible(logits[:, None])[:, 0]
            if self.known is not None:
                logits[:, self.known + 1 :] = -math.inf
            if begun is not None and t < begun.shape[1]:
                token = begun[:, t]
            else:
                token = torch.where(running, draw(logits, **options), 0)
            out[:, t] = token
            running = token != 0
            said = said if sites is None else said + sites.said(token, expected, t)
            if t + 1 == self.positions or (t % LOOK == LOOK - 1 and not running.any()):
                break
            tokens = self.token_embedding(token)
            h = step(tokens if condition.added is None else tokens + condition.added[:, 0])
        return out

    def _pieces(self, b: int, n: int, device: torch.device, numbers: int) -> Iterator[tuple[slice, Tensor]]:
        """Slices of the b n sequences that fit into memory together, with the number of each one's set.

        numbers : that are kept for a sequence.
        """
        at_once = max(1, min(ROWS_AT_ONCE[device.type], NUMBERS_AT_ONCE[device.type] // numbers))
        for i in range(math.ceil(b * n / at_once)):
            part = slice(i * at_once, min((i + 1) * at_once, b * n))
            yield part, torch.arange(part.start, part.stop, device=device) // n

    def hidden_states(self, h: Tensor, films: list[Film] | None) -> Tensor:
        """The network, causal: vectors (r, t, h) -> (r, t, h), after the last norm."""
        raise NotImplementedError

    def start(self, rows: int, films: list[Film] | None) -> Any:
        """A function from the vectors (r, h) of the next position to what `hidden_states` would give there, (r, h).

        Called once per position, `length` times at most; films : (r, 1, h) each, as in `hidden_states`.
        """
        raise NotImplementedError
