"""Evaluation on sequences ordered by a measured number: its axis in latent space, and what generated ones score.

The sets are windows of neighbouring groups (`gde.evaluate.windows`): their held-out sequences, which are embedded, and
from whose embedding sequences are generated; and their training sequences, which fix the axis and teach the oracle.
"""

from typing import Any

import numpy as np
import pandas as pd

from gde.embed import default_rows, encode_sets
from gde.errors import bad
from gde.evaluate.expression_axis import axis_metrics
from gde.evaluate.expression_generated import achieved, generated_metrics
from gde.evaluate.expression_spectra import spectra
from gde.evaluate.lineage import left_out_table
from gde.evaluate.metrics import bootstrap, record
from gde.evaluate.oracle import Measured, Oracle, fit_oracle, kmer_regression
from gde.evaluate.windows import Window, conditions_of, drawn, order_of, rows_in, tokens_of, windows
from gde.sets.random import seed_of

EXPRESSION = "expression"
NUCLEOTIDES = 4  # letters of which k-mers are made: not N
KMER = 4  # letters of the words that the oracle's plain rival counts
SHOWN = 2000  # held-out sequences in the picture of the oracle


def evaluate(
    model: Any, store: Any, config: dict[str, Any], seed: int
) -> tuple[dict[str, dict], dict[str, pd.DataFrame]]:
    """Records and tables. What the data cannot tell stands in `left_out`."""
    options = config["evaluation"]
    if EXPRESSION not in store.fields or store.alphabet is None:
        found = f"a set store of kind {store.meta.get('kind')!r}"
        raise bad(store.path, found, "one of sequences with their expression", "choose another evaluation.kind")
    rng = np.random.default_rng(seed_of(seed, "evaluate/expression"))
    value = order_of(store, options["along"])
    condition, names = conditions_of(store, options["within"])
    sets, small = windows(store, value, condition, options["window"], options["most"], rng)
    if sum(not w.top for w in sets) < 3 or any(len(w.train) < 2 for w in sets if not w.top):
        found = f"{len(sets)} sets of two or more held-out sequences"
        raise bad(store.path, found, "three or more, each with training sequences", "raise evaluation.window")
    left = [("axis", f"{small} sets of fewer than two held-out sequences")] if small else []

    tokens = {part: [tokens_of(store, getattr(w, part)) for w in sets] for part in ("train", "test")}
    z = {part: embedded(model, tokens[part]) for part in tokens}
    truth = np.array([store.field(EXPRESSION)[w.test].astype(float).mean() for w in sets])
    metrics, tables = axis_metrics(sets, tokens, z, truth, names, options, rng, left)

    parts = measured(store, value, condition, sets, options, rng)
    oracle = fit_oracle(parts["train"], parts["validation"], store.alphabet.size, options["oracle"], seed, model.device)
    own, tables["oracle"] = oracle_metric(oracle, parts, names, options, rng)
    metrics |= own

    made = achieved(model, oracle, sets, tokens, z["test"], truth, options, seed)
    own, tables["expression"] = generated_metrics(made, sets, names, options, rng, left)
    metrics |= own
    own, more = spectra(made, sets, tokens, parts["train"].tokens, options, rng, left)
    metrics, tables = metrics | own, tables | more
    tables["left_out"] = left_out_table(left)
    return metrics, tables


def embedded(model: Any, sets: list[np.ndarray]) -> np.ndarray:
    """Embeddings (s, l) float64 of sets of tokens (n, L); NaN of empty ones."""
    z = np.full((len(sets), model.latent_dim), np.nan)
    full = [i for i, x in enumerate(sets) if len(x)]
    z[full] = encode_sets(model, (sets[i] for i in full), default_rows(model))
    return z


def measured(
    store: Any, value: np.ndarray, condition: np.ndarray, sets: list[Window], options: dict, rng: np.random.Generator
) -> dict[str, Measured]:
    """Sequences with expression for the oracle: what trains, at most oracle.most, and shares of that to validate and
    test; tested are those that the split holds out by sequence, not the places that it holds out whole."""
    most = options["oracle"]["most"]
    split = store.groups["split"].to_numpy()
    whole = np.zeros(len(store), bool)  # nothing of these places trains
    for c in np.unique(condition):
        own = condition == c
        whole |= own & ~np.isin(value, value[own & (split == "train")])
    limits = {"train": most, "validation": max(10, most // 4), "test": max(10, most // 4)}
    group = np.repeat(np.arange(len(store)), store.sizes) if store.n_rows < 1 << 24 else None
    out = {}
    for part, limit in limits.items():
        rows = drawn(rows_in(store, (split == part) & ~whole), limit, rng)
        of = np.searchsorted(store.starts, rows, side="right") - 1 if group is None else group[rows]
        expression = store.field(EXPRESSION)[rows].astype(float)
        out[part] = Measured(tokens_of(store, rows), condition[of], expression)
    return out


def oracle_metric(
    oracle: Oracle, parts: dict[str, Measured], names: list[str], options: dict, rng: np.random.Generator
) -> tuple[dict[str, dict], pd.DataFrame]:
    """`oracle/pearson`: of predicted and measured expression of held-out sequences, the mean over conditions."""
    from gde.evaluate.kmers import gc_content

    test = parts["test"]
    views = {
        "oracle": oracle.predict(test.tokens, test.condition),
        "kmer_ridge": kmer_regression(parts["train"], parts["validation"], test, KMER, NUCLEOTIDES),
        "gc_content": gc_content(test.tokens),
    }

    def r(view: str, index: Any = slice(None)) -> float:
        own, truth, condition = views[view][index], test.expression[index], test.condition[index]
        found = [correlation(own[condition == c], truth[condition == c]) for c in np.unique(condition)]
        return float(np.mean(found))

    baselines = {"kmer_ridge": r("kmer_ridge"), "gc_content": abs(r("gc_content"))}
    metric = record(
        r("oracle"), n=len(test), higher_is_better=True, chance=0.0, baselines=baselines,
        ci=bootstrap(lambda i: r("oracle", i), len(test), rng, repeats=options["bootstrap"]),
    )  # fmt: skip
    some = np.sort(rng.permutation(len(test))[:SHOWN])
    table = pd.DataFrame(
        {
            "label": [names[c] for c in test.condition[some]],
            "measured [expression]": test.expression[some],
            "oracle [expression]": views["oracle"][some],
        }
    )
    return {"oracle/pearson": metric}, table


def correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Pearson's r; 0 where one of them does not vary."""
    if len(x) < 2 or x.std() == 0 or y.std() == 0:
        return 0.0
    return float(np.corrcoef(x, y)[0, 1])
