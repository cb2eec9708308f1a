"""Likelihood: how likely held-out sequences are under a generator that is given their set's embedding."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from gde.evaluate.shared.context import Context
from gde.evaluate.shared.markov import Markov, symbols
from gde.evaluate.shared.metrics import interval_of_several, record


@dataclass(frozen=True)
class Scored:
    """Sequences of one set whose likelihood is taken: the embedding (l,) of others of the set, tokens (m, L), weights
    (m,) or None.

    covered (m, L), ended (m,) : the part of each sequence that likelihoods are of, and whether of its end, too; None =
    of all. known : tokens above it are missing, and not scored; None = there are none.
    """

    z: np.ndarray
    tokens: np.ndarray
    weight: np.ndarray | None = None
    covered: np.ndarray | None = None
    ended: np.ndarray | None = None
    known: int | None = None

    @property
    def part(self) -> np.ndarray:
        """The tokens (m, L) that likelihoods are of."""
        return self.tokens if self.covered is None else self.covered

    @property
    def symbols(self) -> np.ndarray:
        """How many tokens and ends of each sequence are scored (m,)."""
        return symbols(self.part, self.ended, self.known)

    def under(self, markov: Markov, order: int) -> np.ndarray:
        """Log-probability (m,) of what is scored, in nats, under a Markov chain."""
        return markov.log_prob(self.part, order, ended=self.ended, known=self.known)

    def per_symbol(self, log_prob: np.ndarray) -> float:
        """Nats per token, ends counted as tokens, from those of each sequence (m,)."""
        weight = np.ones(len(self.tokens)) if self.weight is None else self.weight
        return float((weight * log_prob).sum() / (weight * self.symbols).sum())


def log_prob(model: Any, z: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """Log-probability (m,) in nats of tokens (m, L) given the embedding z (l,); of a VAE its lower bound."""
    one = torch.from_numpy(np.asarray(z, np.float32))[None].to(model.device)
    x = torch.from_numpy(np.ascontiguousarray(tokens))[None].to(model.device)
    with torch.no_grad():
        return model.generator.log_prob(x, one)[0].double().cpu().numpy()


def tokens_known(model: Any) -> int | None:
    """The tokens that a generator has a distribution of, where those above it are missing to it; None = all."""
    return getattr(model.generator, "known", None)


def beginnings(model: Any, one: Scored) -> Scored:
    """The same, with the part of the sequences, and the tokens, that `log_prob` is of."""
    one = replace(one, known=tokens_known(model))
    if not hasattr(model.generator, "covered"):  # of kinds that see them whole
        return one
    x = torch.from_numpy(np.ascontiguousarray(one.tokens))
    covered, ended = model.generator.covered(x), model.generator.ends(x)
    return replace(one, covered=covered.cpu().numpy(), ended=ended.cpu().numpy())


def token_likelihood(
    ctx: Context, sets: list[Scored], markov: Markov, order: int, *, ceiling: float | None = None
) -> tuple[dict[str, Any], np.ndarray]:
    """Record of the log-likelihood of held-out tokens in nats per token, mean over sets; and each set's (s,).

    Baselines: `other_set`, the same generator with the embedding of another set, at random; `markov`, of `order`;
    `uniform`, all tokens and the end alike.   ceiling : that of the true distribution, where it is known. Of sequences
    with more units than a generator has positions, the beginnings are scored, without an end, also by the baselines.
    """
    model, rng = ctx.model, ctx.rng
    sets = [beginnings(model, one) for one in sets]
    own = np.array([s.per_symbol(log_prob(model, s.z, s.tokens)) for s in sets])
    baselines = {"markov": np.mean([s.per_symbol(s.under(markov, order)) for s in sets])}
    if len(sets) > 1:
        other = another(len(sets), rng)
        baselines["other_set"] = np.mean(
            [s.per_symbol(log_prob(model, sets[o].z, s.tokens)) for s, o in zip(sets, other, strict=True)]
        )
    known = tokens_known(model)
    baselines["uniform"] = -np.log(markov.base if known is None else known + 1)
    ci = interval_of_several(own, rng, repeats=ctx.repeats)
    found = record(own.mean(), n=len(own), higher_is_better=True, ci=ci, baselines=baselines, ceiling=ceiling)
    return found, own


def another(n: int, rng: np.random.Generator) -> np.ndarray:
    """For each of n >= 2 things one of the others (n,), each taken once."""
    order = rng.permutation(n)
    out = np.empty(n, np.int64)
    out[order] = np.roll(order, 1)
    return out
