"""Evaluation on sequences: labels of held-out sets, and what is generated for them against their own sequences."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import torch

from gde.embed import Chunk, default_rows, embed_store, stream
from gde.evaluate.donors import column_of, embedding_table
from gde.evaluate.held_out_labels import label_metrics
from gde.evaluate.kmers import kmer_profile, longest_words, nearest_identity
from gde.evaluate.likelihood import Scored, another, letter_likelihood
from gde.evaluate.lineage import left_out_table
from gde.evaluate.markov import Markov
from gde.evaluate.metrics import bootstrap, record
from gde.evaluate.pieces import cut, embed_pieces
from gde.evaluate.sequence_scores import (
    ROWS,
    Held,
    Summary,
    drawn_rows,
    gaps,
    held_sets,
    read_rows,
    read_split,
    summarise,
)
from gde.sets.alphabet import Alphabet
from gde.sets.random import seed_of

SCORES = ("kmers/distance", "letters/gc_error", "letters/n_error", "lengths/error")
CONTEXTS = 1 << 21  # whose next letter the Markov baseline counts: all of eight letters of DNA, four of proteins
VALIDATED = 20_000  # sequences that the order of the Markov baseline is chosen with
NOVEL = 2000  # sequences, generated and held out, whose novelty is taken
Results = tuple[dict[str, dict], dict[str, pd.DataFrame]]


def evaluate(model: Any, store: Any, config: dict[str, Any], seed: int) -> Results:
    """Records and tables. What the data cannot tell stands in `left_out`.

    labels/* : classifier fitted on sets that train or validate, tested on those held out.
    kmers/*, lengths/*, novelty/*, likelihood/* : a held-out set is embedded from some of its sequences (of the training
    ones, where sequences are held out), and what is generated from that compared with others of them.
    """
    options = config["evaluation"]
    rng = np.random.default_rng(seed_of(seed, "evaluate/sequences"))
    label = options["label"] or next(iter(store.meta.get("labels") or ()), "group")
    names, unit = column_of(store, label, "evaluation.label"), store.groups["group"].astype(str).to_numpy()
    tested = (store.groups["split"] == "test").to_numpy()
    k = longest_words(min(options["kmer"], store.meta["dim"]), store.alphabet.known)
    left: list[tuple[str, str]] = []
    whole = embed_store(model, store, se=False)[0].astype(float)
    metrics, tables = labels_of(model, store, whole, k, names, unit, tested, options, rng, left)

    held, there = held_sets(store, options["most"], options["sets"], rng)
    if len(held) < there:
        left.append(("kmers", f"{there - len(held)} of {there} held-out sets, beyond evaluation.sets"))
    if not held:
        left.append(("kmers", "no held-out set of two sequences or more"))
    else:
        found, more = generated(model, store, held, k, options, seed, rng)
        metrics, tables = metrics | found, tables | more
    tables["embedding"] = embedding_table(whole, unit, names, tested, store)
    tables["left_out"] = left_out_table(left)
    return metrics, tables


def labels_of(model, store, whole, k, names, unit, tested, options, rng, left) -> Results:
    """Accuracy and macro-F1 of the labels of held-out sets, beside the same classifier on the sets' k-mer spectra."""
    known, there = set(names[~tested]), set(names[tested])
    if len(known) < 2 or len(there & known) < 2:
        left.append(("labels", f"{len(there & known)} labels both of held-out and of other sets, two are needed"))
        return {}, {}
    everywhere = np.arange(len(store))
    pieces = cut(store, everywhere, ~tested, repeats=options["repeats"], most=options["most"], rng=rng)
    size = store.alphabet.known
    spectra = [
        summarise(_group(store, g), store.alphabet, k).kmers for g in range(len(store))
    ]  # of all sequences, whatever their number
    parts = [kmer_profile(x, k, size, w) for x, w in (read_rows(store, rows) for rows in pieces.rows)]
    views = {
        "gde": (whole, embed_pieces(model, store, pieces)),
        "kmers": (np.stack([s / max(s.sum(), 1e-300) for s in spectra]), np.stack(parts)),
    }
    found, own = label_metrics(views, pieces, names, unit, tested, rng, options["bootstrap"])
    table = pd.DataFrame(
        {
            "group": own.unit,
            "label": own.truth,
            "predicted": own.predicted,
            "probability [1]": own.probability.max(1),
        }
    )
    return {f"labels/{name}": value for name, value in found.items()}, {"labels": table}


def scores_of(alphabet: Alphabet) -> list[str]:
    """The scores that sequences of this alphabet have: G and C are DNA's, and texts have no letter for any."""
    without = {"letters/gc_error"} if alphabet.name != "dna" else set()
    without |= {"letters/n_error"} if not alphabet.unknown else set()
    return [score for score in SCORES if score not in without]


def _group(store: Any, g: int):
    for start in range(0, int(store.sizes[g]), ROWS):
        part = slice(start, start + ROWS)
        yield store.read(g, part), store.read_weights(g, part)


def generated(model: Any, store: Any, held: list[Held], k: int, options, seed: int, rng) -> Results:
    """Records and tables of what is generated for held-out sets.

    Baselines of the errors, of as many sequences: training ones, `training_mean`; those generated for another set,
    `other_set`. Ceiling: as many real sequences of the context.
    """
    alphabet, n, repeats = store.alphabet, options["generated"], options["bootstrap"]
    truth = [read_rows(store, h.target) for h in held]
    z = np.stack([embed_rows(model, store, h.context) for h in held])
    made = generate(model, z, n, seed)
    real = [summarise([t], alphabet, k) for t in truth]
    ours = [summarise([(x, None)], alphabet, k) for x in made]
    again = [summarise([_drawn(store, h.context, n, rng)], alphabet, k) for h in held]
    trained = [summarise([read_rows(store, drawn_rows(store, "train", n, rng))], alphabet, k) for _ in held]
    gap = {"own": [gaps(a, b) for a, b in zip(ours, real, strict=True)]}
    gap["ceiling"] = [gaps(a, b) for a, b in zip(again, real, strict=True)]
    gap["training_mean"] = [gaps(a, b) for a, b in zip(trained, real, strict=True)]
    if len(held) > 1:
        gap["other_set"] = [gaps(ours[o], b) for o, b in zip(another(len(held), rng), real, strict=True)]
    means = {who: {s: np.array([g[s] for g in found]) for s in SCORES} for who, found in gap.items()}
    metrics = {}
    for score in scores_of(alphabet):
        own = means["own"][score]
        metrics[score] = record(
            own.mean(),
            n=len(own),
            higher_is_better=False,
            ci=_interval(own, rng, repeats),
            baselines={who: means[who][score].mean() for who in ("training_mean", "other_set") if who in means},
            ceiling=means["ceiling"][score].mean(),
        )
    metrics["novelty/identity"] = novelty(store, truth, made, options["known"], rng, repeats)
    order = longest_words(options["markov"], alphabet.size + 1, CONTEXTS) if options["markov"] else 0
    markov = Markov(order, alphabet.size).fit(read_split(store, "train"))
    validation = np.concatenate([x for x, _ in read_split(store, "validation", VALIDATED)])
    sets = [Scored(one, *both) for one, both in zip(z, truth, strict=True)]
    metrics["likelihood/letter"], likely = letter_likelihood(
        model, sets, markov, markov.best_order(validation), rng, repeats
    )
    names = store.groups["group"].astype(str).to_numpy()[[h.group for h in held]]
    tables = {"words": word_table(real, ours, k, alphabet), "lengths": length_table(real, ours)}
    tables["sequence_scores"] = pd.DataFrame(
        {
            "group": names,
            "kmers_distance [total variation]": means["own"]["kmers/distance"],
            **{
                f"{score.removeprefix('letters/')} [share of letters]": means["own"][score]
                for score in scores_of(alphabet)
                if score.startswith("letters/")
            },
            "lengths_error [letters]": means["own"]["lengths/error"],
            "likelihood [nats per letter]": likely,
        }
    )
    return metrics, tables


def _interval(values: np.ndarray, rng, repeats: int) -> tuple[float, float] | None:
    """Bootstrap over sets; None of a single one."""
    return bootstrap(lambda i: values[i].mean(), len(values), rng, repeats=repeats) if len(values) > 1 else None


def embed_rows(model: Any, store: Any, rows: np.ndarray) -> np.ndarray:
    """Embedding (l,) float64 of the sequences at rows (n,) of the store, exact and in constant memory."""
    step = default_rows(model)

    def chunks() -> Iterator[Chunk]:
        for start in range(0, len(rows), step):
            tokens, weight = read_rows(store, rows[start : start + step])
            x = torch.from_numpy(tokens).to(model.device)
            yield x, torch.zeros(len(x), dtype=torch.int64), None if weight is None else torch.from_numpy(weight)

    if len(rows) > step:
        return stream(model, chunks, [len(rows)])[0].double().cpu().numpy()
    x, _, weight = next(chunks())
    weight = None if weight is None else weight[None].to(x.device)
    with torch.no_grad():
        return model.encode(x[None], weight=weight)[0].double().cpu().numpy()


def generate(model: Any, z: np.ndarray, n: int, seed: int) -> list[np.ndarray]:
    """n sequences (n, L) generated from each embedding (s, l)."""
    draw = torch.Generator(model.device).manual_seed(seed_of(seed, "evaluate/sequences/generated") % 2**63)
    points = torch.from_numpy(z).float().to(model.device)
    return [model.sample(one[None], n, generator=draw)[0].cpu().numpy() for one in points]


def _drawn(store: Any, rows: np.ndarray, n: int, rng) -> tuple[np.ndarray, None]:
    """n sequences drawn from those at `rows` by their weights."""
    tokens, weight = read_rows(store, rows)
    share = None if weight is None else weight.astype(float) / weight.sum(dtype=float)
    return tokens[rng.choice(len(tokens), n, p=share)], None


def novelty(store: Any, truth: list, made: list[np.ndarray], known: int, rng, repeats: int) -> dict[str, Any]:
    """Mean share of places at which a sequence agrees with the closest of at most about `known` training sequences.

    To come close to: that of held-out sequences. Baseline: held-out ones with their letters shuffled. 1 = copies.
    """
    size = store.alphabet.size
    training = [x for x, _ in read_split(store, "train", known)]
    each = max(1, NOVEL // len(made))
    ours = [nearest_identity(x[:each], iter(training), size).mean() for x in made]
    real = [nearest_identity(x[:each], iter(training), size).mean() for x, _ in truth]
    mixed = [nearest_identity(shuffled(x[:each], rng), iter(training), size).mean() for x, _ in truth]
    return record(
        np.mean(ours),
        n=len(ours),
        target=np.mean(real),
        ci=_interval(np.array(ours), rng, repeats),
        baselines={"shuffled": np.mean(mixed)},
    )


def shuffled(tokens: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Every sequence of tokens (n, L) with its own letters in random order."""
    key = rng.random(tokens.shape)
    key[tokens == 0] = 2.0  # ends stay behind
    return np.take_along_axis(tokens, key.argsort(1), 1)


def word_table(real: list[Summary], ours: list[Summary], k: int, alphabet: Any) -> pd.DataFrame:
    """Frequency of every k-mer, mean over sets."""
    size = alphabet.known
    truth, made = (np.mean([s.kmers / max(s.kmers.sum(), 1e-300) for s in side], axis=0) for side in (real, ours))
    codes = np.arange(size**k)
    tokens = np.stack([codes // size**j % size + 1 for j in reversed(range(k))], axis=1)
    words = alphabet.decode(tokens)
    return pd.DataFrame({"label": words, "real [share of words]": truth, "generated [share of words]": made})


def length_table(real: list[Summary], ours: list[Summary]) -> pd.DataFrame:
    """Share of the sequences of each length that occurs, mean over sets."""
    truth, made = (np.mean([s.lengths / s.lengths.sum() for s in side], axis=0) for side in (real, ours))
    there = np.flatnonzero(truth + made)
    return pd.DataFrame(
        {"length [letters]": there, "real [share of sequences]": truth[there],
         "generated [share of sequences]": made[there]}
    )  # fmt: skip
