"""Evaluation on families of sequences: a family found again from a few of its members, and what is generated for it."""

from typing import Any

import numpy as np
import pandas as pd

from gde.evaluate.kmers import kmer_profile, longest_words
from gde.evaluate.lineage import left_out_table
from gde.evaluate.retrieval import Sets, View, embedded, map_table, retrieval, searches, seen_by
from gde.evaluate.sequence_scores import held_sets
from gde.evaluate.sequences import generated
from gde.sets.alphabet import Alphabet
from gde.sets.random import seed_of

Results = tuple[dict[str, dict], dict[str, pd.DataFrame]]


def evaluate(model: Any, store: Any, config: dict[str, Any], seed: int) -> Results:
    """Records and tables. What the data cannot tell stands in `left_out`.

    retrieval/* : a set of a held-out family is compared with what all held-out families are known by: sequences that
    trained where sequences are held out, else the first half of the family's own, with which nothing was trained.
    The others : as `gde.evaluate.sequences` has them.
    """
    options = config["evaluation"]
    rng = np.random.default_rng(seed_of(seed, "evaluate/families"))
    names = store.groups["group"].astype(str).to_numpy()
    left: list[tuple[str, str]] = []
    search = searches(store, options, rng)
    k = longest_words(min(options["kmer"], store.meta["dim"]), store.alphabet.known)
    views = {"gde": (embedded(model, store, search.asked), embedded(model, store, search.known))}
    for name, view in baselines(store.alphabet, k).items():
        views[name] = seen_by(view, store, search.asked), seen_by(view, store, search.known)
    metrics, tables = retrieval(views, search.of, rng, options["bootstrap"], left)
    own = names[[h.group for h in search.held]]
    tables["embedding"] = map_table(views["gde"][0], search, own)

    held, there = held_sets(store, options["most"], options["sets"], rng)
    if len(held) < there:
        left.append(("kmers", f"{there - len(held)} of {there} held-out families, beyond evaluation.sets"))
    found, more = generated(model, store, held, k, options, seed, rng)
    tables["left_out"] = left_out_table(left)
    return metrics | found, tables | more


def baselines(alphabet: Alphabet, k: int) -> dict[str, View]:
    """Plain views of sets of sequences: frequencies of words of k letters, and of letters."""

    def profile(width: int) -> View:
        def view(sets: Sets) -> np.ndarray:
            return np.stack([kmer_profile(x, width, alphabet.known) for x in sets])

        return view

    return {"kmers": profile(k), "letters": profile(1)}
