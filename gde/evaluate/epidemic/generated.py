"""Generated sequences as sequences: how near the known ones, how many are copies, and how likely to other models."""

import hashlib
from typing import Any

import numpy as np

from gde.evaluate.epidemic.frame import Frame
from gde.evaluate.epidemic.population import Population, protocol
from gde.evaluate.epidemic.sets import Keys
from gde.evaluate.shared.context import Context
from gde.evaluate.shared.likelihood import Scored, log_prob, token_likelihood, tokens_known
from gde.evaluate.shared.markov import Markov
from gde.evaluate.shared.metrics import mean_interval_of_groups, record
from gde.evaluate.shared.rows import drawn, read_split

COMPARED = 500  # sequences of each side whose nearest known one is looked for
COUNTED = 20_000  # sequences, at most about, that the Markov chain is of, and that its order is chosen with


def novelty(ctx: Context, found: Population, keys: Keys, frame: Frame) -> dict[str, dict]:
    """`novelty/identity`: share of sites at which a generated sequence agrees with the nearest of at most about `known`
    that trained. `novelty/copies`: share of those that are, token by token, a training sequence, of the sequences
    without a missing token. To come close to: what real sequences have, as many of each group, of the groups that did
    not train: others are their own copies."""
    store, options, rng = ctx.store, ctx.options, ctx.rng
    known = frame.place(np.concatenate([x for x, _ in read_split(store, "train", options["known"])]))
    fresh = both_sides(found, keys)
    if not len(fresh):
        return {}
    group = np.repeat(fresh, [len(found.tokens["generated"][i]) for i in fresh])
    rows = {i: rng.integers(len(found.tokens["real"][i]), size=len(found.tokens["generated"][i])) for i in fresh}

    def alike(sides: dict[str, list[np.ndarray]]) -> dict[str, np.ndarray]:
        """All generated sequences, and real ones, drawn with replacement, as many of each group."""
        real = [sides["real"][i][rows[i]] for i in fresh]
        return {"generated": np.concatenate([sides["generated"][i] for i in fresh]), "real": np.concatenate(real)}

    placed, compared = alike(found.placed), drawn(np.arange(len(group)), COMPARED, rng)
    near = {side: nearest(x[compared], known, frame) for side, x in placed.items()}
    plain = nearest(np.broadcast_to(frame.reference, (1, frame.sites)), known, frame).mean()
    scattered = nearest(mixed(placed["real"][compared], rng), known, frame)
    metrics = {
        "novelty/identity": record(
            near["generated"].mean(), n=len(compared), target=near["real"].mean(),
            ci=mean_interval_of_groups(near["generated"], group[compared], rng, repeats=options["bootstrap"]),
            baselines={"reference": plain, "independent_sites": scattered.mean()}, protocol=protocol(options),
            units=len(fresh),
        )
    }  # fmt: skip
    tokens = alike(found.tokens)
    whole = {side: (x <= store.alphabet.known).all(1) for side, x in tokens.items()}  # a token missing, and it is none
    copied = copies({side: x[whole[side]] for side, x in tokens.items()}, store)
    if not all(map(len, copied.values())):
        ctx.leave_out("novelty/copies", "no sequence without a missing token among the real or the generated ones")
        return metrics
    metrics["novelty/copies"] = record(
        copied["generated"].mean(), n=len(copied["generated"]), target=copied["real"].mean(),
        ci=mean_interval_of_groups(copied["generated"], group[whole["generated"]], rng, repeats=options["bootstrap"]),
        protocol=protocol(options), units=len(fresh),
    )  # fmt: skip
    return metrics


def both_sides(found: Population, keys: Keys) -> np.ndarray:
    """Places of the groups that did not train and have sequences, real and generated ones: of the smallest groups of a
    month none is generated."""
    real, made = (np.array([len(x) for x in found.tokens[side]]) for side in ("real", "generated"))
    return np.flatnonzero((keys.part[found.group] != "train") & (real > 0) & (made > 0))


def mixed(placed: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """As many sequences (n, R), each token that of a random one at its site: as often there, but nothing together."""
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


def likelihoods(ctx: Context, found: Population, keys: Keys) -> dict[str, dict]:
    """`likelihood/token` of held-out sequences; `perplexity/*` of generated ones, to come close to that of real ones
    of the same groups: under a Markov chain of the training sequences, `markov`, and under the generator itself.

    At most `scored` sequences of each side, as many real as generated ones of a group. With `keys: all` held-out sets
    are embedded from the sequences that are scored, else from others.
    """
    model, store, options, rng = ctx.model, ctx.store, ctx.options, ctx.rng
    chosen = drawn(both_sides(found, keys), options["scored"], rng)
    if not len(chosen):
        why = "no held-out set among those that sequences are generated for"
        ctx.leave_out("perplexity, likelihood, novelty", why)
        return {}
    each = max(1, options["scored"] // len(chosen))
    known = tokens_known(model)
    sets: dict[str, list[Scored]] = {"real": [], "generated": []}
    for i in chosen:
        made, real = found.tokens["generated"][i][:each], found.tokens["real"][i]
        sets["generated"].append(Scored(found.z[i], made, known=known))
        real = real[rng.choice(len(real), len(made), replace=len(made) > len(real))]
        sets["real"].append(Scored(found.z[i], real, known=known))
    markov = Markov(options["markov"], store.alphabet.size).fit(read_split(store, "train", COUNTED))
    validation = np.concatenate([x for x, _ in read_split(store, "validation", COUNTED)])
    order = markov.best_order(validation, known)
    metrics = {}
    metrics["likelihood/token"], _ = token_likelihood(ctx, sets["real"], markov, order)
    group = np.repeat(chosen, [len(s.tokens) for s in sets["generated"]])
    for name, log_probability in (
        ("markov", lambda s: s.under(markov, order)),
        ("model", lambda s: log_prob(model, s.z, s.tokens)),
    ):
        nats = {side: per_token(some, log_probability) for side, some in sets.items()}
        metrics[f"perplexity/{name}"] = perplexity(nats, group, options["bootstrap"], rng, known or store.alphabet.size)
    return {name: metric | {"protocol": protocol(options)} for name, metric in metrics.items()}


def per_token(sets: list[Scored], log_probability: Any) -> np.ndarray:
    """Nats per token (n,) of all sequences of the sets."""
    return np.concatenate([-log_probability(s) / np.maximum(s.symbols, 1) for s in sets])


def perplexity(
    nats: dict[str, np.ndarray], group: np.ndarray, repeats: int, rng: np.random.Generator, residues: int
) -> dict[str, Any]:
    """exp of the mean of nats per token, of generated sequences of groups (n,) beside real ones; uniform tokens are
    the baseline."""
    ends = mean_interval_of_groups(nats["generated"], group, rng, repeats=repeats)
    return record(
        np.exp(nats["generated"].mean()), n=len(group), target=np.exp(nats["real"].mean()),
        ci=None if ends is None else tuple(np.exp(ends)), chance=float(residues + 1),
        units=len(np.unique(group)),
    )  # fmt: skip
