"""Evaluation on simulated patterns: the geometry of mixtures of kmers, and what is generated for each."""

from typing import Any

import numpy as np
import pandas as pd
import torch

from gde.evaluate.shared.context import Context, Results
from gde.evaluate.shared.distance_correlation import correlation, distances, pearson, spearman
from gde.evaluate.shared.likelihood import Scored, another, token_likelihood
from gde.evaluate.shared.markov import Markov
from gde.evaluate.shared.metrics import mean_interval, record
from gde.evaluate.shared.rows import draw_tokens
from gde.evaluate.shared.simplex_grid import CENTRE, STEPS
from gde.evaluate.shared.tables import LATENT, embedding_table
from gde.evaluate.simulated.geometry import pair_table
from gde.evaluate.simulated.pattern_sets import Cases, Distribution, cases_of, distribution_of, sets_of, transport
from gde.sets.families.multinomial import Multinomial

ORDER = 7  # tokens that the Markov baseline depends on, at most
COUNTS = 1 << 22  # numbers that it counts, at most
TRAINED = 20_000  # sequences of each split that it is fitted on or chosen with
STATISTICS = {"pearson": pearson, "spearman": spearman}


def evaluate(ctx: Context) -> Results:
    """Records and tables of mixtures of held-out sequences: with three k-mers the 55 points of a grid of the simplex,
    else each held-out k-mer and random mixtures of three of them.

    geometry/simplex_* : latent distances against W2 in normal approximation between multinomial distributions of one
    trial, the published protocol.   geometry/transport_* : against exact optimal transport between the mixtures, cost
    the Hamming distance.

    Baselines, of the same sets: mean frequencies of k-mers (4-mers of DNA, 2-mers of peptides), and of tokens by place.
    """
    ctx = ctx.drawing("patterns")
    store, options, repeats, rng = ctx.store, ctx.options, ctx.repeats, ctx.rng
    patterns = distribution_of(store)
    cases = cases_of(store, patterns, options["mixtures"], rng)
    z, anchors, scored = sets_of(ctx, patterns, cases)
    matrices = {"latent_distance": distances(z), **{name: distances(x) for name, x in anchors.items()}}

    exact = matrices | {"w2": transport(cases.share, patterns.cost)}
    metrics = {
        f"geometry/transport_{name}": correlation(statistic, exact, rng, repeats=repeats)
        for name, statistic in STATISTICS.items()
    }
    tables = {"transport": pair_table(exact, rng)}
    if len(patterns) == 3:
        found, tables["simplex"] = simplex(cases, matrices, rng, repeats)
        metrics = found | metrics
    else:
        ctx.leave_out("geometry/simplex", "of three k-mers only")
    made = generated(ctx, z)
    found, tables["patterns"] = composition(patterns, store, cases, made, rng, repeats)
    metrics |= found
    markov = Markov(longest_order(store.alphabet.size), store.alphabet.size).fit(
        [(draw_tokens(store, "train", TRAINED, rng), None)]
    )
    order = markov.best_order(draw_tokens(store, "validation", TRAINED, rng))
    ceiling = np.mean([patterns.best_likelihood(p, x) for p, x in zip(cases.share, scored, strict=True)])
    sets = [Scored(one, tokens) for one, tokens in zip(z, scored, strict=True)]
    metrics["likelihood/token"], _ = token_likelihood(ctx, sets, markov, order, ceiling=ceiling)
    tables["embedding"] = embedding_table(
        z,
        group=[f"mixture {i + 1}" for i in range(len(z))],
        label=[patterns.names[w] for w in cases.share.argmax(1)],  # the commonest k-mer
        part="target",
        sizes=options["points"],
    )
    return metrics, tables


def simplex(cases: Cases, matrices: dict[str, np.ndarray], rng, repeats: int) -> tuple[dict[str, dict], pd.DataFrame]:
    """The published protocol, with the table of `gde.evaluate.simulated.simplex`."""
    one_trial = Multinomial(categories=3, trials=1)
    w2 = one_trial.w2({"probability": torch.from_numpy(cases.share).float()}).numpy()
    matrices = matrices | {"w2": w2}
    metrics = {
        f"geometry/simplex_{name}": correlation(statistic, matrices, rng, repeats=repeats)
        | {"protocol": "paper_protocol"}
        for name, statistic in STATISTICS.items()
    }
    centre = int(np.flatnonzero(np.isclose(cases.share * STEPS, CENTRE).all(1))[0])
    table = pd.DataFrame(
        {f"p_{c + 1} [1]": cases.share[:, c] for c in range(3)}
        | {f"latent_distance {LATENT}": matrices["latent_distance"][centre], "w2 [counts]": w2[centre]}
    )
    return metrics, table


def generated(ctx: Context, z: np.ndarray) -> list[np.ndarray]:
    """evaluation.generated sequences (n, L) from each embedding (c, l), from all of them together."""
    points = torch.from_numpy(z).float().to(ctx.device)
    draw = ctx.generator("patterns/generated")
    return list(ctx.model.sample(points, ctx.options["generated"], generator=draw).cpu().numpy())


def composition(
    patterns: Distribution, store: Any, cases: Cases, made: list[np.ndarray], rng, repeats: int
) -> tuple[dict[str, dict], pd.DataFrame]:
    """Which k-mers generated sequences are nearest to, against the truth, and how far from it: records and table.

    Baselines of the composition's error, a total variation: sequences of the training kmers in equal shares; those
    generated for another mixture. Ceiling: as many sequences of the mixture's true distribution.
    """
    k, n = len(patterns), len(made[0])
    found, differ = zip(*(patterns.nearest(x) for x in made), strict=True)
    share = np.stack([np.bincount(kmer, minlength=k) / n for kmer in found])
    drawn = [rng.choice(k, n, p=p) for p in cases.share]
    real = [patterns.nearest(patterns.sample(kmer, rng)) for kmer in drawn]
    again = np.stack([np.bincount(kmer, minlength=k) / n for kmer, _ in real])
    kmers = list(store.meta["patterns"]["kmers"])
    trained = np.isin(kmers, store.groups["group"][store.groups["split"] == "train"])
    other = another(len(cases.share), rng)
    error = _variation(share, cases.share)
    rate = np.array([d.mean() / patterns.compared for d in differ])
    metrics = {
        "patterns/composition_error": record(
            error.mean(),
            n=len(error),
            higher_is_better=False,
            ci=mean_interval(error, rng, repeats=repeats),
            baselines={
                "training_mean": _variation(trained / trained.sum(), cases.share).mean(),
                "other_set": _variation(share[other], cases.share).mean(),
            },
            ceiling=_variation(again, cases.share).mean(),
        ),
        "patterns/substitutions": record(
            rate.mean(),
            n=len(rate),
            target=patterns.substitutions,
            ci=mean_interval(rate, rng, repeats=repeats),
            ceiling=np.mean([d.mean() / patterns.compared for _, d in real]),
            chance=patterns.nearest(random_tokens(patterns, rng))[1].mean() / patterns.compared,
        ),
    }
    shown = [(c, w) for c in range(len(share)) for w in range(k) if max(share[c, w], cases.share[c, w]) > 0]
    table = pd.DataFrame(
        {
            "set": [c for c, _ in shown],
            "label": [kmers[w] for _, w in shown],
            "truth [share of sequences]": [cases.share[c, w] for c, w in shown],
            "generated [share of sequences]": [share[c, w] for c, w in shown],
        }
    )
    return metrics, table


def _variation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Total variation of shares (..., k)."""
    return np.abs(a - b).sum(-1) / 2


def random_tokens(patterns: Distribution, rng: np.random.Generator) -> np.ndarray:
    """Sequences (1000, length) of tokens that are all equally likely."""
    return rng.integers(1, patterns.residues + 1, (1000, patterns.length), dtype=np.uint8)


def longest_order(residues: int) -> int:
    """Tokens that the Markov baseline depends on at most: ORDER, or what its counts leave of it."""
    return max(0, min(ORDER, int(np.log(COUNTS) / np.log(residues + 1)) - 1))
