"""Evaluation on simulated patterns: the geometry of mixtures of words, and what is generated for each."""

from typing import Any

import numpy as np
import pandas as pd
import torch

from gde.evaluate.baselines import distances
from gde.evaluate.geometry import correlation, pair_table, pearson, spearman
from gde.evaluate.likelihood import Scored, another, letter_likelihood
from gde.evaluate.markov import Markov
from gde.evaluate.metrics import bootstrap, record
from gde.evaluate.pattern_sets import Cases, Law, cases_of, draw_tokens, law_of, sets_of, transport
from gde.evaluate.pca import two_components
from gde.evaluate.simplex import CENTRE, STEPS
from gde.evaluate.tables import LATENT, principal_columns
from gde.sets.families.multinomial import Multinomial
from gde.sets.random import seed_of

ORDER = 7  # letters that the Markov baseline depends on, at most
COUNTS = 1 << 22  # numbers that it counts, at most
TRAINED = 20_000  # sequences of each split that it is fitted on or chosen with
STATISTICS = {"pearson": pearson, "spearman": spearman}


def evaluate(
    model: Any, store: Any, config: dict[str, Any], seed: int
) -> tuple[dict[str, dict], dict[str, pd.DataFrame]]:
    """Records and tables of mixtures of held-out sequences: with three words the 55 points of a grid of the simplex,
    else each held-out word and random mixtures of three of them.

    geometry/simplex_* : latent distances against W2 in normal approximation between multinomial distributions of one
    trial, the published protocol.   geometry/transport_* : against exact optimal transport between the mixtures, cost
    the Hamming distance.

    Baselines, of the same sets: mean frequencies of words (4-mers of DNA, 2-mers of peptides), and of letters by place.
    """
    patterns = law_of(store)
    options, repeats = config["evaluation"], config["evaluation"]["bootstrap"]
    rng = np.random.default_rng(seed_of(seed, "evaluate/patterns"))
    cases = cases_of(store, patterns, options["mixtures"], rng)
    z, anchors, scored = sets_of(model, store, patterns, cases, options["points"], options["scored"], rng)
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
    made = generate(model, z, options["generated"], seed)
    found, tables["patterns"] = composition(patterns, store, cases, made, rng, repeats)
    metrics |= found
    markov = Markov(longest_order(store.alphabet.size), store.alphabet.size).fit(
        [(draw_tokens(store, "train", TRAINED, rng), None)]
    )
    order = markov.best_order(draw_tokens(store, "validation", TRAINED, rng))
    ceiling = np.mean([patterns.best_likelihood(p, x) for p, x in zip(cases.share, scored, strict=True)])
    sets = [Scored(one, tokens) for one, tokens in zip(z, scored, strict=True)]
    metrics["likelihood/letter"], _ = letter_likelihood(model, sets, markov, order, rng, repeats, ceiling=ceiling)
    tables["embedding"] = embedding_table(z, cases, patterns.names, options["points"])
    return metrics, tables


def simplex(cases: Cases, matrices: dict[str, np.ndarray], rng, repeats: int) -> tuple[dict[str, dict], pd.DataFrame]:
    """The published protocol, with the table of `gde.evaluate.simplex`."""
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


def generate(model: Any, z: np.ndarray, n: int, seed: int) -> list[np.ndarray]:
    """n sequences (n, L) generated from each embedding (c, l)."""
    draw = torch.Generator(model.device).manual_seed(seed_of(seed, "evaluate/patterns/generated") % 2**63)
    points = torch.from_numpy(z).float().to(model.device)
    return list(model.sample(points, n, generator=draw).cpu().numpy())


def composition(
    patterns: Law, store: Any, cases: Cases, made: list[np.ndarray], rng, repeats: int
) -> tuple[dict[str, dict], pd.DataFrame]:
    """Which words generated sequences are nearest to, against the truth, and how far from it: records and table.

    Baselines of the composition's error, a total variation: sequences of the training words in equal shares; those
    generated for another mixture. Ceiling: as many sequences of the mixture's true law.
    """
    k, n = len(patterns), len(made[0])
    found, differ = zip(*(patterns.nearest(x) for x in made), strict=True)
    share = np.stack([np.bincount(word, minlength=k) / n for word in found])
    drawn = [rng.choice(k, n, p=p) for p in cases.share]
    real = [patterns.nearest(patterns.sample(word, rng)) for word in drawn]
    again = np.stack([np.bincount(word, minlength=k) / n for word, _ in real])
    words = list(store.meta["patterns"]["words"])
    trained = np.isin(words, store.groups["group"][store.groups["split"] == "train"])
    other = another(len(cases.share), rng)
    error = _variation(share, cases.share)
    rate = np.array([d.mean() / patterns.compared for d in differ])
    metrics = {
        "patterns/composition_error": record(
            error.mean(),
            n=len(error),
            higher_is_better=False,
            ci=bootstrap(lambda i: error[i].mean(), len(error), rng, repeats=repeats),
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
            ci=bootstrap(lambda i: rate[i].mean(), len(rate), rng, repeats=repeats),
            ceiling=np.mean([d.mean() / patterns.compared for _, d in real]),
            chance=patterns.nearest(random_letters(patterns, rng))[1].mean() / patterns.compared,
        ),
    }
    shown = [(c, w) for c in range(len(share)) for w in range(k) if max(share[c, w], cases.share[c, w]) > 0]
    table = pd.DataFrame(
        {
            "set": [c for c, _ in shown],
            "label": [words[w] for _, w in shown],
            "truth [share of sequences]": [cases.share[c, w] for c, w in shown],
            "generated [share of sequences]": [share[c, w] for c, w in shown],
        }
    )
    return metrics, table


def _variation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Total variation of shares (..., k)."""
    return np.abs(a - b).sum(-1) / 2


def random_letters(patterns: Law, rng: np.random.Generator) -> np.ndarray:
    """Sequences (1000, length) of letters that are all equally likely."""
    return rng.integers(1, patterns.letters + 1, (1000, patterns.length), dtype=np.uint8)


def longest_order(letters: int) -> int:
    """Letters that the Markov baseline depends on at most: ORDER, or what its counts leave of it."""
    return max(0, min(ORDER, int(np.log(COUNTS) / np.log(letters + 1)) - 1))


def embedding_table(z: np.ndarray, cases: Cases, words: list[str], points: int) -> pd.DataFrame:
    """Two principal components of the embeddings; a mixture's label is its commonest word."""
    centre, directions, share = two_components(z)
    table = pd.DataFrame((z - centre) @ directions, columns=principal_columns("pc", "latent units", share))
    return table.assign(
        **{
            "group": [f"mixture {i + 1}" for i in range(len(z))],
            "label": [words[w] for w in cases.share.argmax(1)],
            "part": "target",
            "n_samples [1]": points,
        }
    )
