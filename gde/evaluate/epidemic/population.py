"""The real and the generated sequences of every month, country by country, in the reference's numbering."""

from dataclasses import dataclass

import numpy as np
import torch

from gde.evaluate.epidemic.frame import Frame, site_counts
from gde.evaluate.epidemic.sets import FUTURE, Keys
from gde.evaluate.shared.context import Context
from gde.evaluate.shared.embedding import embed_sets
from gde.evaluate.shared.held_sets import apart, training_groups
from gde.evaluate.shared.rows import drawn, rows_of, tokens_of


@dataclass(frozen=True)
class Population:
    """Of each of k groups: its number in the store, its month, whether that is held out whole, and the embedding (k, l)
    that sequences are generated from. Of the sides `real` and `generated`: tokens (n, L), the same placed at the
    reference's sites (n, R), and counts of the tokens there (k, R, tokens + 1). The side `embedded` are the real
    sequences that z is of: others of the group than `real`, or the same ones."""

    group: np.ndarray
    month: np.ndarray
    future: np.ndarray
    z: np.ndarray
    tokens: dict[str, list[np.ndarray]]
    placed: dict[str, list[np.ndarray]]
    counts: dict[str, np.ndarray]


def population(ctx: Context, keys: Keys, z: np.ndarray, frame: Frame) -> Population | None:
    """Sequences of the months with at least `least` of them in the groups that are looked at, and as many generated as
    `generated` says, of each group by its share of the month's sequences.

    Held-out groups are embedded from a part of their sequences, and compared with the others (`apart`). With
    `keys: all` most of them trained: they are embedded whole, as z (g, l) has them, and compared with themselves. None
    where no month has enough.
    """
    store, options, rng = ctx.store, ctx.options, ctx.rng
    everything = options["keys"] == "all"
    looked = np.flatnonzero(np.ones(len(keys.month), bool) if everything else keys.part != "train")
    trained = training_groups(store)
    parts = {g: (rows_of(store, g),) if everything else apart(store, g, trained) for g in looked}
    kept: dict[str, list[np.ndarray]] = {"real": [], "embedded": []}
    made, group = [], []
    for month in np.unique(keys.month[looked]):
        own = [g for g in looked[keys.month[looked] == month] if len(parts[g][0])]
        sizes = np.array([len(parts[g][-1]) for g in own], np.int64)
        if sizes.sum() < options["least"]:
            ctx.leave_out(f"sweeps, month {month:g}", f"{sizes.sum()} sequences, fewer than evaluation.least")
            continue
        kept["real"] += some_of([parts[g][-1] for g in own], options["most"], rng)
        if not everything:
            kept["embedded"] += some_of([parts[g][0] for g in own], options["most"], rng)
        made.append(shared_out(options["generated"], sizes))
        group += own
    if not group:
        return None
    group, made = np.array(group), np.concatenate(made)
    own_z = z[group] if everything else embed_sets(ctx.model, store, [parts[g][0] for g in group])
    tokens = {side: [tokens_of(store, rows) for rows in some] for side, some in kept.items() if some}
    tokens["generated"] = generated(ctx, own_z, made)
    placed = {side: [frame.place(x, whole=side == "generated") for x in parts] for side, parts in tokens.items()}
    counts = {side: np.stack([site_counts(frame, x) for x in parts]) for side, parts in placed.items()}
    if everything:
        tokens["embedded"], placed["embedded"], counts["embedded"] = (x["real"] for x in (tokens, placed, counts))
    future = keys.part[group] == FUTURE
    return Population(group, keys.month[group], future, own_z, tokens, placed, counts)


def protocol(options: dict) -> str:
    """What a metric of a population says of itself: with `keys: all`, most groups trained."""
    return "strict" if options["keys"] == "held_out" else "all_keys"


def some_of(rows: list[np.ndarray], most: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Of rows of several groups together at most `most`, at random, group by group."""
    group = np.repeat(np.arange(len(rows)), [len(r) for r in rows])
    chosen = drawn(np.arange(len(group)), most, rng)
    every = np.concatenate(rows)
    return [every[chosen[group[chosen] == g]] for g in range(len(rows))]


def shared_out(n: int, sizes: np.ndarray) -> np.ndarray:
    """n things among groups (k,) in proportion to their sizes, the remainders to the largest ones."""
    exact = n * sizes / sizes.sum()
    whole = np.floor(exact).astype(np.int64)
    whole[np.argsort(whole - exact, kind="stable")[: n - whole.sum()]] += 1
    return whole


def generated(ctx: Context, z: np.ndarray, n: np.ndarray) -> list[np.ndarray]:
    """n[i] sequences (n[i], L) from each embedding z[i], from all of them together."""
    points = torch.from_numpy(np.repeat(z, n, axis=0)).float().to(ctx.device)
    made = ctx.model.sample(points, 1, generator=ctx.generator("epidemic/generated"))[:, 0].cpu().numpy()
    return np.split(made, np.cumsum(n)[:-1])
