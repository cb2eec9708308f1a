"""Evaluation on sequences ordered by a measured number: its axis in latent space, and what generated ones score.

The sets are windows of neighbouring groups (`gde.evaluate.sequences.windows`): their held-out sequences, which are
embedded, and from whose embedding sequences are generated; and their training sequences, which fix the axis and teach
the oracle.
"""

from typing import Any

import numpy as np
import pandas as pd

from gde.embed import default_rows, encode_sets
from gde.errors import bad
from gde.evaluate.sequences.expression_axis import axis_metrics
from gde.evaluate.sequences.expression_generated import achieved, generated_metrics
from gde.evaluate.sequences.expression_spectra import spectra
from gde.evaluate.sequences.near_copies import near_copies, nearest_expression
from gde.evaluate.sequences.oracle import Measured, Oracle, fit_oracle, kmer_regression
from gde.evaluate.sequences.windows import WindowSets, conditions_of, order_of, windows
from gde.evaluate.shared.context import Context, Results
from gde.evaluate.shared.correlation import pearson
from gde.evaluate.shared.kmers import gc_content
from gde.evaluate.shared.metrics import bootstrap, record
from gde.evaluate.shared.rows import drawn, rows_in, tokens_of
from gde.evaluate.shared.tables import left_out_table

EXPRESSION = "expression"
NUCLEOTIDES = 4  # tokens of which k-mers are made: not N
KMER = 4  # tokens of the words that the oracle's plain rival counts
NEAREST = 2000  # held-out sequences whose nearest training ones are looked for
SHOWN = 2000  # held-out sequences in the picture of the oracle


def evaluate(ctx: Context) -> Results:
    """Records and tables. What the data cannot tell stands in `left_out`."""
    ctx = ctx.drawing("expression")
    store, options, rng = ctx.store, ctx.options, ctx.rng
    if EXPRESSION not in store.fields or store.alphabet is None:
        found = f"a set store of kind {store.meta.get('kind')!r}"
        raise bad(store.path, found, "one of sequences with their expression", "choose another evaluation.kind")
    value = order_of(store, options["along"])
    condition, names = conditions_of(store, options["within"])
    own, small = windows(store, value, condition, options["window"], options["most"], rng)
    if sum(not w.top for w in own) < 3 or any(len(w.train) < 2 for w in own if not w.top):
        found = f"{len(own)} sets of two or more held-out sequences"
        raise bad(store.path, found, "three or more, each with training sequences", "raise evaluation.window")
    if small:
        ctx.leave_out("axis", f"{small} sets of fewer than two held-out sequences")

    tokens = {part: [tokens_of(store, getattr(w, part)) for w in own] for part in ("train", "test")}
    z = {part: embedded(ctx.model, tokens[part]) for part in tokens}
    truth = np.array([store.field(EXPRESSION)[w.test].astype(float).mean() for w in own])
    sets = WindowSets(own, tokens, z, truth, names)
    metrics, tables = axis_metrics(ctx, sets)

    parts = measured(ctx, value, condition)
    oracle = fit_oracle(
        parts["train"], parts["validation"], store.alphabet.size, options["oracle"], ctx.seed, ctx.device
    )
    found, tables["oracle"] = oracle_metric(ctx, oracle, parts, names)
    metrics |= found | near_copies(ctx)

    made = achieved(ctx, oracle, sets)
    found, tables["expression"] = generated_metrics(ctx, made, sets)
    metrics |= found
    found, more = spectra(ctx, made, sets, parts["train"].tokens)
    metrics, tables = metrics | found, tables | more
    tables["left_out"] = left_out_table(ctx.left)
    return metrics, tables


def embedded(model: Any, sets: list[np.ndarray]) -> np.ndarray:
    """Embeddings (s, l) float64 of sets of tokens (n, L); NaN of empty ones."""
    z = np.full((len(sets), model.latent_dim), np.nan)
    full = [i for i, x in enumerate(sets) if len(x)]
    z[full] = encode_sets(model, (sets[i] for i in full), default_rows(model))
    return z


def measured(ctx: Context, value: np.ndarray, condition: np.ndarray) -> dict[str, Measured]:
    """Sequences with expression for the oracle: what trains, at most oracle.most, and shares of that to validate and
    test; tested are those that the split holds out by sequence, not the places that it holds out whole."""
    store, most = ctx.store, ctx.options["oracle"]["most"]
    split = store.groups["split"].to_numpy()
    whole = np.zeros(len(store), bool)  # nothing of these places trains
    for c in np.unique(condition):
        own = condition == c
        whole |= own & ~np.isin(value, value[own & (split == "train")])
    limits = {"train": most, "validation": max(10, most // 4), "test": max(10, most // 4)}
    group = np.repeat(np.arange(len(store)), store.sizes) if store.n_rows < 1 << 24 else None
    out = {}
    for part, limit in limits.items():
        rows = drawn(rows_in(store, (split == part) & ~whole), limit, ctx.rng)
        of = np.searchsorted(store.starts, rows, side="right") - 1 if group is None else group[rows]
        expression = store.field(EXPRESSION)[rows].astype(float)
        out[part] = Measured(tokens_of(store, rows), condition[of], expression)
    return out


def correlation(x: np.ndarray, part: Measured) -> float:
    """Pearson's r of x (m,) and the expression of sequences, the mean over their conditions."""
    own = [part.condition == c for c in np.unique(part.condition)]
    return float(np.mean([pearson(x[c], part.expression[c]) for c in own]))


def oracle_metric(
    ctx: Context, oracle: Oracle, parts: dict[str, Measured], names: list[str]
) -> tuple[dict[str, dict], pd.DataFrame]:
    """`oracle/pearson`: of predicted and measured expression of held-out sequences, the mean over conditions. Its
    baseline `nearest`, the expression of the training sequence that is most like each, is good where copies trained."""
    test = parts["test"]
    views = {
        "oracle": oracle.predict(test.tokens, test.condition),
        "kmer_ridge": kmer_regression(parts["train"], parts["validation"], test, KMER, NUCLEOTIDES),
        "gc_content": gc_content(test.tokens),
    }

    def r(view: str, index: Any = slice(None)) -> float:
        part = Measured(test.tokens[index], test.condition[index], test.expression[index])
        return correlation(views[view][index], part)

    some = np.sort(ctx.random("nearest").permutation(len(test))[:NEAREST])
    near = Measured(test.tokens[some], test.condition[some], test.expression[some])
    baselines = {
        "kmer_ridge": r("kmer_ridge"),
        "gc_content": abs(r("gc_content")),
        "nearest": correlation(nearest_expression(parts["train"], near, ctx.store.alphabet), near),
    }
    metric = record(
        r("oracle"), n=len(test), higher_is_better=True, chance=0.0, baselines=baselines,
        ci=bootstrap(lambda i: r("oracle", i), len(test), ctx.rng, repeats=ctx.repeats),
    )  # fmt: skip
    some = np.sort(ctx.rng.permutation(len(test))[:SHOWN])
    table = pd.DataFrame(
        {
            "label": [names[c] for c in test.condition[some]],
            "measured [expression]": test.expression[some],
            "oracle [expression]": views["oracle"][some],
        }
    )
    return {"oracle/pearson": metric}, table
