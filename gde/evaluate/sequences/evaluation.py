"""Evaluation on sequences: labels of held-out sets, and what is generated for them against their own sequences."""

from typing import Any

import numpy as np
import pandas as pd

from gde.embed import embed_store
from gde.evaluate.sequences.near_copies import near_copies
from gde.evaluate.sequences.summary import Summary, gaps, summarise
from gde.evaluate.shared.columns import Labelled, column_of, first_label, group_names, tested_groups
from gde.evaluate.shared.context import Context, Results
from gde.evaluate.shared.embedding import embed_sets
from gde.evaluate.shared.generation import generate
from gde.evaluate.shared.held_out_labels import label_metrics
from gde.evaluate.shared.held_sets import Held, held_sets
from gde.evaluate.shared.kmers import kmer_profile, longest_kmers, nearest_identity
from gde.evaluate.shared.likelihood import Scored, another, token_likelihood
from gde.evaluate.shared.markov import Markov
from gde.evaluate.shared.metrics import interval_of_several, record
from gde.evaluate.shared.pieces import cut, embed_pieces
from gde.evaluate.shared.rows import draw_weighted, drawn_rows, read_groups, read_rows, read_split
from gde.evaluate.shared.tables import embedding_table, left_out_table
from gde.sets.types.alphabet import Alphabet

SCORES = ("kmers/distance", "composition/gc_error", "composition/n_error", "lengths/error")
CONTEXTS = 1 << 21  # whose next token the Markov baseline counts: all of eight tokens of DNA, four of proteins
VALIDATED = 20_000  # sequences that the order of the Markov baseline is chosen with
NOVEL = 2000  # sequences, generated and held out, whose novelty is taken


def evaluate(ctx: Context) -> Results:
    """Records and tables. What the data cannot tell stands in `left_out`.

    labels/* : classifier fitted on sets that train or validate, tested on those held out.
    kmers/*, lengths/*, novelty/*, likelihood/* : a held-out set is embedded from some of its sequences (of the training
    ones, where sequences are held out), and what is generated from that compared with others of them.
    split/near_copies : of held-out sequences, those that training ones are like.
    """
    ctx, store, options = ctx.drawing("sequences"), ctx.store, ctx.options
    names = column_of(store, options["label"] or first_label(store) or "group", "evaluation.label")
    labels = Labelled(names, group_names(store), tested_groups(store))
    k = longest_kmers(min(options["kmer"], store.meta["dim"]), store.alphabet.known)
    whole = embed_store(ctx.model, store, se=False)[0].astype(float)
    metrics, tables = labels_of(ctx, whole, k, labels)

    held, there = held_sets(store, options["most"], options["sets"], ctx.rng)
    if len(held) < there:
        ctx.leave_out("kmers", f"{there - len(held)} of {there} held-out sets, beyond evaluation.sets")
    if not held:
        every = "kmers, composition, lengths, novelty, likelihood"
        ctx.leave_out(every, "no held-out set of two sequences or more")
    else:
        found, more = generated(ctx, held, k)
        metrics, tables = metrics | found | near_copies(ctx), tables | more
        if without := [score for score in SCORES if score not in found]:
            ctx.leave_out(", ".join(without), f"sequences of {store.alphabet.name} have none")
    part = np.where(labels.tested, "target", "context")
    tables["embedding"] = embedding_table(whole, group=labels.unit, label=names, part=part, sizes=store.sizes)
    tables["left_out"] = left_out_table(ctx.left)
    return metrics, tables


def labels_of(ctx: Context, whole: np.ndarray, k: int, labels: Labelled) -> Results:
    """Accuracy and macro-F1 of the labels of held-out sets, beside the same classifier on the sets' k-mer spectra."""
    known, there = set(labels.names[~labels.tested]), set(labels.names[labels.tested])
    if len(known) < 2 or len(there & known) < 2:
        ctx.leave_out("labels", f"{len(there & known)} labels both of held-out and of other sets, two are needed")
        return {}, {}
    store, options, everywhere = ctx.store, ctx.options, np.arange(len(ctx.store))
    pieces = cut(store, everywhere, ~labels.tested, repeats=options["repeats"], most=options["most"], rng=ctx.rng)
    size = store.alphabet.known
    # of all sequences, whatever their number
    spectra = [summarise(read_groups(store, [g]), store.alphabet, k).kmers for g in everywhere]
    parts = [kmer_profile(x, k, size, w) for x, w in (read_rows(store, rows) for rows in pieces.rows)]
    views = {
        "gde": (whole, embed_pieces(ctx.model, store, pieces)),
        "kmers": (np.stack([s / max(s.sum(), 1e-300) for s in spectra]), np.stack(parts)),
    }
    found, own = label_metrics(ctx, views, pieces, labels)
    return {f"labels/{name}": value for name, value in found.items()}, {"labels": own.table()}


def scores_of(alphabet: Alphabet) -> list[str]:
    """The scores that sequences of this alphabet have: G and C are DNA's, and texts have no residue for any."""
    without = {"composition/gc_error"} if alphabet.name != "dna" else set()
    without |= {"composition/n_error"} if not alphabet.unknown else set()
    return [score for score in SCORES if score not in without]


def generated(ctx: Context, held: list[Held], k: int) -> Results:
    """Records and tables of what is generated for held-out sets.

    Baselines of the errors, of as many sequences: training ones, `training_mean`; those generated for another set,
    `other_set`. Ceiling: as many real sequences of the context.
    """
    store, options, rng = ctx.store, ctx.options, ctx.rng
    alphabet, n, draw = store.alphabet, options["generated"], ctx.generator("sequences/generated")
    truth = [read_rows(store, h.target) for h in held]
    z = embed_sets(ctx.model, store, [h.context for h in held])
    made = [generate(ctx.model, one, n, draw) for one in z]
    real = [summarise([t], alphabet, k) for t in truth]
    ours = [summarise([(x, None)], alphabet, k) for x in made]
    again = [summarise([(draw_weighted(store, h.context, n, rng), None)], alphabet, k) for h in held]
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
            ci=interval_of_several(own, rng, repeats=ctx.repeats),
            baselines={who: means[who][score].mean() for who in ("training_mean", "other_set") if who in means},
            ceiling=means["ceiling"][score].mean(),
        )
    metrics["novelty/identity"] = novelty(ctx, truth, made)
    order = longest_kmers(options["markov"], alphabet.size + 1, CONTEXTS) if options["markov"] else 0
    markov = Markov(order, alphabet.size).fit(read_split(store, "train"))
    validation = np.concatenate([x for x, _ in read_split(store, "validation", VALIDATED)])
    sets = [Scored(one, *both) for one, both in zip(z, truth, strict=True)]
    metrics["likelihood/token"], likely = token_likelihood(ctx, sets, markov, markov.best_order(validation))
    names = group_names(store)[[h.group for h in held]]
    tables = {"kmers": kmer_table(real, ours, k, alphabet), "lengths": length_table(real, ours)}
    tables["sequence_scores"] = pd.DataFrame(
        {
            "group": names,
            "kmers_distance [total variation]": means["own"]["kmers/distance"],
            **{
                f"{score.removeprefix('composition/')} [share of tokens]": means["own"][score]
                for score in scores_of(alphabet)
                if score.startswith("composition/")
            },
            "lengths_error [tokens]": means["own"]["lengths/error"],
            "likelihood [nats per token]": likely,
        }
    )
    return metrics, tables


def novelty(ctx: Context, truth: list, made: list[np.ndarray]) -> dict[str, Any]:
    """Mean share of places at which a sequence agrees with the closest of at most about evaluation.known training ones.

    To come close to: that of held-out sequences. Baseline: held-out ones with their tokens shuffled. 1 = copies.
    """
    size, rng = ctx.store.alphabet.size, ctx.rng
    training = [x for x, _ in read_split(ctx.store, "train", ctx.options["known"])]
    each = max(1, NOVEL // len(made))
    ours = [nearest_identity(x[:each], iter(training), size).mean() for x in made]
    real = [nearest_identity(x[:each], iter(training), size).mean() for x, _ in truth]
    mixed = [nearest_identity(shuffled(x[:each], rng), iter(training), size).mean() for x, _ in truth]
    return record(
        np.mean(ours),
        n=len(ours),
        target=np.mean(real),
        ci=interval_of_several(np.array(ours), rng, repeats=ctx.repeats),
        baselines={"shuffled": np.mean(mixed)},
    )


def shuffled(tokens: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Every sequence of tokens (n, L) with its own tokens in random order."""
    key = rng.random(tokens.shape)
    key[tokens == 0] = 2.0  # ends stay behind
    return np.take_along_axis(tokens, key.argsort(1), 1)


def kmer_table(real: list[Summary], ours: list[Summary], k: int, alphabet: Any) -> pd.DataFrame:
    """Frequency of every k-mer, mean over sets."""
    size = alphabet.known
    truth, made = (np.mean([s.kmers / max(s.kmers.sum(), 1e-300) for s in side], axis=0) for side in (real, ours))
    codes = np.arange(size**k)
    tokens = np.stack([codes // size**j % size + 1 for j in reversed(range(k))], axis=1)
    kmers = alphabet.decode(tokens)
    return pd.DataFrame({"label": kmers, "real [share of k-mers]": truth, "generated [share of k-mers]": made})


def length_table(real: list[Summary], ours: list[Summary]) -> pd.DataFrame:
    """Share of the sequences of each length that occurs, mean over sets."""
    truth, made = (np.mean([s.lengths / s.lengths.sum() for s in side], axis=0) for side in (real, ours))
    there = np.flatnonzero(truth + made)
    return pd.DataFrame(
        {"length [tokens]": there, "real [share of sequences]": truth[there],
         "generated [share of sequences]": made[there]}
    )  # fmt: skip
