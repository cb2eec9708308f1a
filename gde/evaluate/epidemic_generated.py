"""Generated sequences as sequences: how near the known ones, how many are copies, and how likely to other models."""

import hashlib
from typing import Any

import numpy as np

from gde.evaluate.epidemic_frame import Frame
from gde.evaluate.epidemic_population import Population
from gde.evaluate.epidemic_sets import Keys
from gde.evaluate.likelihood import Scored, letter_likelihood, log_prob
from gde.evaluate.markov import Markov, symbols
from gde.evaluate.metrics import mean_interval, record
from gde.evaluate.sequence_scores import read_split
from gde.evaluate.windows import drawn

COMPARED = 500  # sequences of each side whose nearest known one is looked for
COUNTED = 20_000  # sequences, at most about, that the Markov chain is of, and that its order is chosen with


def novelty(
    found: Population, store: Any, keys: Keys, frame: Frame, options: dict, rng: np.random.Generator
) -> dict[str, dict]:
    """`novelty/identity`: share of sites at which a generated sequence agrees with the nearest of at most about `known`
    that trained. `novelty/copies`: share of those that are, letter by letter, a training sequence. To come close to:
    what real sequences of the same groups have; where these trained they are their own copies, and there is no target
    but that of the groups that did not train."""
    known = frame.place(np.concatenate([x for x, _ in read_split(store, "train", options["known"])]))
    fresh = np.flatnonzero(keys.part[found.group] != "train")
    if not len(fresh):
        return {}
    near = {}
    for side in ("generated", "real"):
        x = np.concatenate([found.placed[side][i] for i in fresh])
        near[side] = nearest(x[drawn(np.arange(len(x)), COMPARED, rng)], known, frame)
    reference = np.concatenate([found.placed["real"][i] for i in fresh])
    plain = nearest(np.broadcast_to(frame.reference, (1, frame.sites)), known, frame).mean()
    scattered = nearest(mixed(reference[drawn(np.arange(len(reference)), COMPARED, rng)], rng), known, frame)
    metrics = {
        "novelty/identity": record(
            near["generated"].mean(), n=len(near["generated"]), target=near["real"].mean(),
            ci=mean_interval(near["generated"], rng, repeats=options["bootstrap"]),
            baselines={"reference": plain, "independent_sites": scattered.mean()},
        )
    }  # fmt: skip
    sides = {side: np.concatenate([found.tokens[side][i] for i in fresh]) for side in ("generated", "real")}
    copied = copies(sides, store)
    metrics["novelty/copies"] = record(
        copied["generated"].mean(), n=len(copied["generated"]), target=copied["real"].mean(),
        ci=mean_interval(copied["generated"], rng, repeats=options["bootstrap"]),
    )  # fmt: skip
    return metrics


def mixed(placed: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """As many sequences (n, R), each letter that of a random one at its site: as often there, but nothing together."""
    row = rng.integers(len(placed), size=placed.shape)
    return placed[row, np.arange(placed.shape[1])]


def nearest(placed: np.ndarray, known: np.ndarray, frame: Frame) -> np.ndarray:
    """Share of agreeing sites, among those known in both, with the nearest of `known` (m, R): (n,)."""
    tokens = np.arange(frame.alphabet.known + 1)

    def flags(x: np.ndarray) -> np.ndarray:
        return (x[:, :, None] == tokens).reshape(len(x), -1).astype(np.float32)

    best = np.zeros(len(placed))
    own, here = flags(placed), (placed <= frame.alphabet.known).astype(np.float32)
    for start in range(0, len(known), 256):
        part = known[start : start + 256]
        both = here @ (part <= frame.alphabet.known).astype(np.float32).T
        same = own @ flags(part).T
        np.maximum(best, (same / np.maximum(both, 1)).max(1), out=best)
    return best


def copies(sides: dict[str, np.ndarray], store: Any) -> dict[str, np.ndarray]:
    """Whether each sequence of each side (n, L) is one of the training sequences (n,), all of which are read."""
    digests = {side: [digest(row) for row in x] for side, x in sides.items()}
    wanted, seen = set().union(*digests.values()), set()
    for tokens, _ in read_split(store, "train"):
        seen |= {d for row in tokens if (d := digest(row)) in wanted}
    return {side: np.array([d in seen for d in found], float) for side, found in digests.items()}


def digest(row: np.ndarray) -> bytes:
    return hashlib.blake2b(row.tobytes(), digest_size=16).digest()


def likelihoods(
    model: Any,
    store: Any,
    found: Population,
    keys: Keys,
    options: dict,
    rng: np.random.Generator,
    left: list[tuple[str, str]],
) -> dict[str, dict]:
    """`likelihood/letter` of held-out sequences; `perplexity/*` of generated ones, to come close to that of real ones
    of the same groups: under a Markov chain of the training sequences, `markov`, and under the generator itself.

    With `keys: all` held-out sets are embedded from the sequences that are scored, else from others.
    """
    chosen = np.flatnonzero(keys.part[found.group] != "train")
    if not len(chosen):
        left.append(("perplexity, likelihood, novelty", "no held-out set among those that sequences are generated for"))
        return {}
    each = max(1, options["scored"] // len(chosen))
    sets = {
        side: [Scored(found.z[i], some) for i in chosen if len(some := found.tokens[side][i][:each])]
        for side in ("real", "generated")
    }
    markov = Markov(options["markov"], store.alphabet.size).fit(read_split(store, "train", COUNTED))
    validation = np.concatenate([x for x, _ in read_split(store, "validation", COUNTED)])
    order = markov.best_order(validation)
    metrics = {}
    metrics["likelihood/letter"], _ = letter_likelihood(model, sets["real"], markov, order, rng, options["bootstrap"])
    usual = {side: per_letter(sets[side], lambda s: markov.log_prob(s.tokens, order)) for side in sets}
    metrics["perplexity/markov"] = perplexity(usual, options["bootstrap"], rng, store.alphabet.size)
    ours = {
        "real": per_letter(sets["real"], lambda s: log_prob(model, s.z, s.tokens)),
        "generated": per_letter(sets["generated"], lambda s: log_prob(model, s.z, s.tokens)),
    }
    metrics["perplexity/model"] = perplexity(ours, options["bootstrap"], rng, store.alphabet.size)
    return metrics


def per_letter(sets: list[Scored], log_probability: Any) -> np.ndarray:
    """Nats per letter (n,) of all sequences of the sets."""
    return np.concatenate([-log_probability(s) / symbols(s.tokens) for s in sets])


def perplexity(nats: dict[str, np.ndarray], repeats: int, rng: np.random.Generator, letters: int) -> dict[str, Any]:
    """exp of the mean of nats per letter, of generated sequences beside real ones; uniform letters are the baseline."""
    low, high = mean_interval(nats["generated"], rng, repeats=repeats)
    return record(
        np.exp(nats["generated"].mean()), n=len(nats["generated"]), target=np.exp(nats["real"].mean()),
        ci=(np.exp(low), np.exp(high)), chance=float(letters + 1),
    )  # fmt: skip
