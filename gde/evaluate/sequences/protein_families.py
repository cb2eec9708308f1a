"""Evaluation on families of sequences: a family found again from a few of its members, and what is generated for it."""

import numpy as np

from gde.evaluate.sequences.evaluation import generated
from gde.evaluate.sequences.near_copies import near_copies
from gde.evaluate.sequences.retrieval import Sets, View, map_table, retrieval, searches, seen_by
from gde.evaluate.shared.columns import group_names
from gde.evaluate.shared.context import Context, Results
from gde.evaluate.shared.embedding import embed_sets
from gde.evaluate.shared.held_sets import held_sets
from gde.evaluate.shared.kmers import kmer_profile, longest_kmers
from gde.evaluate.shared.tables import left_out_table
from gde.sets.types.alphabet import Alphabet


def evaluate(ctx: Context) -> Results:
    """Records and tables. What the data cannot tell stands in `left_out`.

    retrieval/* : a set of a held-out family is compared with what all held-out families are known by: sequences that
    trained where sequences are held out, else the first half of the family's own, with which nothing was trained.
    The others : as `gde.evaluate.sequences.evaluation` has them.
    """
    ctx = ctx.drawing("families")
    model, store, options = ctx.model, ctx.store, ctx.options
    search = searches(store, options, ctx.rng)
    k = longest_kmers(min(options["kmer"], store.meta["dim"]), store.alphabet.known)
    views = {"gde": (embed_sets(model, store, search.asked), embed_sets(model, store, search.known))}
    for name, view in baselines(store.alphabet, k).items():
        views[name] = seen_by(view, store, search.asked), seen_by(view, store, search.known)
    metrics, tables = retrieval(ctx, views, search.of)
    own = group_names(store)[[h.group for h in search.held]]
    tables["embedding"] = map_table(views["gde"][0], search, own)

    held, there = held_sets(store, options["most"], options["sets"], ctx.rng)
    if len(held) < there:
        ctx.leave_out("kmers", f"{there - len(held)} of {there} held-out families, beyond evaluation.sets")
    found, more = generated(ctx, held, k)
    found |= near_copies(ctx)
    tables["left_out"] = left_out_table(ctx.left)
    return metrics | found, tables | more


def baselines(alphabet: Alphabet, k: int) -> dict[str, View]:
    """Plain views of sets of sequences: frequencies of k-mers of k tokens, and of tokens."""

    def profile(width: int) -> View:
        def view(sets: Sets) -> np.ndarray:
            return np.stack([kmer_profile(x, width, alphabet.known) for x in sets])

        return view

    return {"kmers": profile(k), "residues": profile(1)}
