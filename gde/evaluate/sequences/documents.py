"""Evaluation on documents: topics found again from a few of their documents, and what is generated for a topic."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from gde.errors import bad
from gde.evaluate.sequences.copies import copied_shares
from gde.evaluate.sequences.retrieval import map_table, retrieval, searches, seen_by
from gde.evaluate.sequences.text_views import TextViews
from gde.evaluate.sequences.topics import topic_metrics
from gde.evaluate.shared.columns import group_names
from gde.evaluate.shared.context import Context, Results
from gde.evaluate.shared.embedding import embed_sets
from gde.evaluate.shared.generation import generate
from gde.evaluate.shared.held_sets import Held, held_sets
from gde.evaluate.shared.kmers import kmer_profile
from gde.evaluate.shared.likelihood import Scored, another, token_likelihood
from gde.evaluate.shared.markov import Markov
from gde.evaluate.shared.metrics import mean_interval, record
from gde.evaluate.shared.rows import draw_tokens, read_split, tokens_of
from gde.evaluate.shared.tables import left_out_table
from gde.sets.types.alphabet import lengths

VALIDATED = 2000  # documents that the order of the Markov baseline is chosen with


def evaluate(ctx: Context) -> Results:
    """Records and tables. What the data cannot tell stands in `left_out`.

    retrieval/* : a set of held-out documents of a topic is compared with the training documents of every topic.
    topics/*, ngrams/*, novelty/*, likelihood/* : documents are generated from the embedding of a topic's training
    documents, and compared with its held-out ones.
    """
    ctx = ctx.drawing("documents")
    model, store, options, rng = ctx.model, ctx.store, ctx.options, ctx.rng
    if store.alphabet is None or store.alphabet.name != "text":
        found = f"a set store of kind {store.meta.get('kind')!r}"
        raise bad(store.path, found, "one of texts", "choose another evaluation.kind")
    names = group_names(store)
    training = draw_tokens(store, "train", options["known"], rng)
    search, plain = searches(store, options, rng), TextViews(training)
    views = {"gde": (embed_sets(model, store, search.asked), embed_sets(model, store, search.known))}
    for name in ("tf_idf", "character_trigrams"):
        view = getattr(plain, name)
        views[name] = seen_by(view, store, search.asked), seen_by(view, store, search.known)
    metrics, tables = retrieval(ctx, views, search.of)
    tables["embedding"] = map_table(views["gde"][0], search, names[[h.group for h in search.held]])

    held, there = held_sets(store, options["most"], options["sets"], rng)
    if len(held) < there:
        ctx.leave_out("topics", f"{there - len(held)} of {there} held-out topics, beyond evaluation.sets")
    own, more = generated(ctx, held, training)
    tables["left_out"] = left_out_table(ctx.left)
    return metrics | own, tables | more


def generated(ctx: Context, held: list[Held], training: np.ndarray) -> Results:
    """Records and tables of what is generated for held-out topics; training : documents (m, L) of all of them."""
    store, options, rng, draw = ctx.store, ctx.options, ctx.rng, ctx.generator("sequences/generated")
    z = embed_sets(ctx.model, store, [h.context for h in held])
    made = [generate(ctx.model, one, options["generated"], draw) for one in z]
    truth = [tokens_of(store, h.target) for h in held]
    own = group_names(store)[[h.group for h in held]]
    metrics, tables = topic_metrics(ctx, made, truth, own)
    other = another(len(held), rng)

    # as many real documents as were generated: fewer are further from the truth
    n = options["generated"]
    known = [tokens_of(store, rng.choice(h.context, n, replace=n > len(h.context))) for h in held]
    usual = [training[rng.choice(len(training), n, replace=n > len(training))] for _ in held]
    grams, spectra = spectrum_errors(made, truth, known, usual, options["ngram"], other)
    metrics["ngrams/distance"] = error_record(ctx, grams)
    metrics["lengths/error"] = error_record(ctx, length_errors(made, truth, known, usual, other))
    trained = (tokens for tokens, _ in read_split(store, "train"))
    shares = [x.mean() for x in copied_shares([*made, *truth], trained, options["copied"])]
    ours, real = np.array(shares[: len(made)]), np.array(shares[len(made) :])
    ci = mean_interval(ours, rng, repeats=ctx.repeats)
    metrics["novelty/copied"] = record(ours.mean(), n=len(held), target=real.mean(), ci=ci)
    markov = Markov(options["markov"], store.alphabet.size).fit([(training, None)])
    order = markov.best_order(draw_tokens(store, "validation", VALIDATED, rng))
    sets = [Scored(one, x[: options["scored"]]) for one, x in zip(z, truth, strict=True)]
    metrics["likelihood/byte"], likely = token_likelihood(ctx, sets, markov, order)
    scores = pd.DataFrame(
        {
            "label": own,
            "ngrams_distance [total variation]": grams["own"],
            "likelihood [nats per byte]": likely,
            "copied [share of runs]": ours,
        }
    )
    return metrics, tables | {"kmers": spectra, "document_scores": scores}


def spectrum_errors(
    made: list, truth: list, known: list, training: list, width: int, other: np.ndarray
) -> tuple[dict[str, np.ndarray], pd.DataFrame]:
    """Total variation (topics,) between spectra of n-grams of bytes and those of held-out documents, by whose they
    are: generated ones (`own`), real ones of the topic, training ones of all, those generated for another topic. And
    the mean spectra of what is real and generated."""
    ours, real, same, usual = ([kmer_profile(x, width, 255) for x in side] for side in (made, truth, known, training))
    there = np.flatnonzero(np.mean(real, 0) + np.mean(ours, 0))
    table = pd.DataFrame(
        {
            "label": [shown(code, width) for code in there],
            "real [share of k-mers]": np.mean(real, 0)[there],
            "generated [share of k-mers]": np.mean(ours, 0)[there],
        }
    )
    return errors_by(variation, ours, real, same, usual, other), table


def length_errors(made: list, truth: list, known: list, training: list, other: np.ndarray) -> dict:
    """W1 (topics,) in bytes between lengths and those of held-out documents, by whose, as `spectrum_errors`."""
    from scipy.stats import wasserstein_distance

    ours, real, same, usual = ([lengths(x) for x in side] for side in (made, truth, known, training))
    return errors_by(wasserstein_distance, ours, real, same, usual, other)


def errors_by(distance: Callable, ours: list, real: list, same: list, usual: list, other: np.ndarray) -> dict:
    """Distances (topics,) to what is real, by whose: `own` of generated documents, `ceiling` of as many real ones,
    `training_mean` of training ones, `other_set` of those generated for the topics `other`."""
    sources = {"own": ours, "ceiling": same, "training_mean": usual, "other_set": [ours[o] for o in other]}
    return {who: np.array([distance(a, b) for a, b in zip(found, real, strict=True)]) for who, found in sources.items()}


def error_record(ctx: Context, errors: dict[str, np.ndarray]) -> dict[str, Any]:
    """Of errors (topics,) by whose they are; `own` is the value, `ceiling` what real documents of the topic have."""
    return record(
        errors["own"].mean(), n=len(errors["own"]), higher_is_better=False, ceiling=errors["ceiling"].mean(),
        ci=mean_interval(errors["own"], ctx.rng, repeats=ctx.repeats),
        baselines={who: errors[who].mean() for who in ("training_mean", "other_set")},
    )  # fmt: skip


def variation(a: np.ndarray, b: np.ndarray) -> float:
    """Total variation of two spectra; 1 where one of them has nothing."""
    return float(np.abs(a - b).sum() / 2) if a.any() == b.any() else 1.0


def shown(code: int, width: int) -> str:
    """An n-gram of bytes for a table: what is no visible ASCII character as \\x and its number."""
    residues = [code // 255**j % 255 + 1 for j in reversed(range(width))]
    return "".join(chr(b) if 33 <= b < 127 and b != 92 else f"\\x{b:02x}" for b in residues)
