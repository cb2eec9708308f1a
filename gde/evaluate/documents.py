"""Evaluation on documents: topics found again from a few of their documents, and what is generated for a topic."""

from typing import Any

import numpy as np
import pandas as pd

from gde.errors import bad
from gde.evaluate.copies import copied_shares
from gde.evaluate.kmers import kmer_profile
from gde.evaluate.likelihood import Scored, another, letter_likelihood
from gde.evaluate.lineage import left_out_table
from gde.evaluate.markov import Markov
from gde.evaluate.metrics import bootstrap, record
from gde.evaluate.pattern_sets import draw_tokens
from gde.evaluate.retrieval import embedded, map_table, retrieval, searches, seen_by
from gde.evaluate.sequence_scores import Held, held_sets, read_rows, read_split
from gde.evaluate.sequences import embed_rows, generate
from gde.evaluate.text_views import TextViews
from gde.evaluate.topics import topic_metrics
from gde.sets.alphabet import lengths
from gde.sets.random import seed_of

VALIDATED = 2000  # documents that the order of the Markov baseline is chosen with
Results = tuple[dict[str, dict], dict[str, pd.DataFrame]]


def evaluate(model: Any, store: Any, config: dict[str, Any], seed: int) -> Results:
    """Records and tables. What the data cannot tell stands in `left_out`.

    retrieval/* : a set of held-out documents of a topic is compared with the training documents of every topic.
    topics/*, ngrams/*, novelty/*, likelihood/* : documents are generated from the embedding of a topic's training
    documents, and compared with its held-out ones.
    """
    if store.alphabet is None or store.alphabet.name != "text":
        found = f"a set store of kind {store.meta.get('kind')!r}"
        raise bad(store.path, found, "one of texts", "choose another evaluation.kind")
    options = config["evaluation"]
    rng = np.random.default_rng(seed_of(seed, "evaluate/documents"))
    names = store.groups["group"].astype(str).to_numpy()
    left: list[tuple[str, str]] = []
    training = draw_tokens(store, "train", options["known"], rng)
    search, plain = searches(store, options, rng), TextViews(training)
    views = {"gde": (embedded(model, store, search.asked), embedded(model, store, search.known))}
    for name in ("tf_idf", "letter_trigrams"):
        view = getattr(plain, name)
        views[name] = seen_by(view, store, search.asked), seen_by(view, store, search.known)
    metrics, tables = retrieval(views, search.of, rng, options["bootstrap"], left)
    tables["embedding"] = map_table(views["gde"][0], search, names[[h.group for h in search.held]])

    held, there = held_sets(store, options["most"], options["sets"], rng)
    if len(held) < there:
        left.append(("topics", f"{there - len(held)} of {there} held-out topics, beyond evaluation.sets"))
    own, more = generated(model, store, held, training, names, options, seed, rng, left)
    tables["left_out"] = left_out_table(left)
    return metrics | own, tables | more


def generated(
    model: Any,
    store: Any,
    held: list[Held],
    training: np.ndarray,
    names: np.ndarray,
    options: dict,
    seed: int,
    rng: np.random.Generator,
    left: list[tuple[str, str]],
) -> Results:
    """Records and tables of what is generated for held-out topics."""
    repeats = options["bootstrap"]
    z = np.stack([embed_rows(model, store, h.context) for h in held])
    made = generate(model, z, options["generated"], seed)
    truth = [read_rows(store, h.target)[0] for h in held]
    own = names[[h.group for h in held]]
    metrics, tables = topic_metrics(made, truth, own, rng, repeats, left)
    other = another(len(held), rng)

    # as many real documents as were generated: fewer are further from the truth
    n = options["generated"]
    known = [read_rows(store, rng.choice(h.context, n, replace=n > len(h.context)))[0] for h in held]
    usual = [training[rng.choice(len(training), n, replace=n > len(training))] for _ in held]
    grams, spectra = spectrum_errors(made, truth, known, usual, options["ngram"], other)
    metrics["ngrams/distance"] = error_record(grams, rng, repeats)
    metrics["lengths/error"] = error_record(length_errors(made, truth, known, usual, other), rng, repeats)
    trained = (tokens for tokens, _ in read_split(store, "train"))
    shares = [x.mean() for x in copied_shares([*made, *truth], trained, options["copied"])]
    ours, real = np.array(shares[: len(made)]), np.array(shares[len(made) :])
    ci = _interval(ours, rng, repeats)
    metrics["novelty/copied"] = record(ours.mean(), n=len(held), target=real.mean(), ci=ci)
    markov = Markov(options["markov"], store.alphabet.size).fit([(training, None)])
    order = markov.best_order(draw_tokens(store, "validation", VALIDATED, rng))
    sets = [Scored(one, x[: options["scored"]]) for one, x in zip(z, truth, strict=True)]
    metrics["likelihood/byte"], likely = letter_likelihood(model, sets, markov, order, rng, repeats)
    scores = pd.DataFrame(
        {
            "label": own,
            "ngrams_distance [total variation]": grams["own"],
            "likelihood [nats per byte]": likely,
            "copied [share of runs]": ours,
        }
    )
    return metrics, tables | {"words": spectra, "document_scores": scores}


def spectrum_errors(
    made: list, truth: list, known: list, training: list, width: int, other: np.ndarray
) -> tuple[dict[str, np.ndarray], pd.DataFrame]:
    """Total variation (topics,) between spectra of n-grams of bytes and those of held-out documents, by whose they
    are: generated ones (`own`), real ones of the topic, training ones of all, those generated for another topic. And
    the mean spectra of what is real and generated."""
    ours, real, same, usual = ([kmer_profile(x, width, 255) for x in side] for side in (made, truth, known, training))
    errors = {
        "own": [variation(a, b) for a, b in zip(ours, real, strict=True)],
        "ceiling": [variation(a, b) for a, b in zip(same, real, strict=True)],
        "training_mean": [variation(a, b) for a, b in zip(usual, real, strict=True)],
        "other_set": [variation(ours[o], b) for o, b in zip(other, real, strict=True)],
    }
    there = np.flatnonzero(np.mean(real, 0) + np.mean(ours, 0))
    table = pd.DataFrame(
        {
            "label": [shown(code, width) for code in there],
            "real [share of words]": np.mean(real, 0)[there],
            "generated [share of words]": np.mean(ours, 0)[there],
        }
    )
    return {who: np.array(values) for who, values in errors.items()}, table


def length_errors(made: list, truth: list, known: list, training: list, other: np.ndarray) -> dict:
    """W1 (topics,) in bytes between lengths and those of held-out documents, by whose, as `spectrum_errors`."""
    from scipy.stats import wasserstein_distance

    ours, real, same, usual = ([lengths(x) for x in side] for side in (made, truth, known, training))
    errors = {
        "own": [wasserstein_distance(a, b) for a, b in zip(ours, real, strict=True)],
        "ceiling": [wasserstein_distance(a, b) for a, b in zip(same, real, strict=True)],
        "training_mean": [wasserstein_distance(a, b) for a, b in zip(usual, real, strict=True)],
        "other_set": [wasserstein_distance(ours[o], b) for o, b in zip(other, real, strict=True)],
    }
    return {who: np.array(values) for who, values in errors.items()}


def error_record(errors: dict[str, np.ndarray], rng, repeats: int) -> dict[str, Any]:
    """Of errors (topics,) by whose they are; `own` is the value, `ceiling` what real documents of the topic have."""
    return record(
        errors["own"].mean(), n=len(errors["own"]), higher_is_better=False, ceiling=errors["ceiling"].mean(),
        ci=_interval(errors["own"], rng, repeats),
        baselines={who: errors[who].mean() for who in ("training_mean", "other_set")},
    )  # fmt: skip


def variation(a: np.ndarray, b: np.ndarray) -> float:
    """Total variation of two spectra; 1 where one of them has nothing."""
    return float(np.abs(a - b).sum() / 2) if a.any() == b.any() else 1.0


def shown(code: int, width: int) -> str:
    """An n-gram of bytes for a table: what is no visible ASCII character as \\x and its number."""
    letters = [code // 255**j % 255 + 1 for j in reversed(range(width))]
    return "".join(chr(b) if 33 <= b < 127 and b != 92 else f"\\x{b:02x}" for b in letters)


def _interval(values: np.ndarray, rng, repeats: int) -> tuple[float, float]:
    return bootstrap(lambda i: values[i].mean(), len(values), rng, repeats=repeats)
