"""Evaluation on versions of a protein by country and month: read-outs, sweeps, generated sequences, months ahead.

Embeddings are of sets of a few sequences for the read-outs, as small as those that train; of half the sequences of a
held-out country and month for what is generated, which is compared with the other half; and of all of them for months
ahead and the map. Mutations are counted in the numbering of a reference.
"""

from typing import Any

import numpy as np
import pandas as pd

from gde.embed import embed_store
from gde.errors import bad
from gde.evaluate.epidemic.frame import Frame, frame_of, site_counts
from gde.evaluate.epidemic.future import extrapolation
from gde.evaluate.epidemic.generated import likelihoods, novelty
from gde.evaluate.epidemic.population import population
from gde.evaluate.epidemic.readout import readouts
from gde.evaluate.epidemic.sets import FUTURE, Keys, cut_sets, keys_of, views_of
from gde.evaluate.epidemic.sweeps import sites, sweeps
from gde.evaluate.shared.context import Context, Results
from gde.evaluate.shared.rows import read_groups
from gde.evaluate.shared.tables import left_out_table, principal_table


def evaluate(ctx: Context) -> Results:
    """Records and tables. What the data cannot tell stands in `left_out`."""
    ctx = ctx.drawing("epidemic")
    model, store, options, rng = ctx.model, ctx.store, ctx.options, ctx.rng
    if store.alphabet is None or store.alphabet.name != "protein":
        found = f"a set store of kind {store.meta.get('kind')!r}"
        raise bad(store.path, found, "one of protein sequences by country and month", "choose another evaluation.kind")
    keys = keys_of(store)
    frame = frame_of(store, options["reference"], keys.month)

    z = embed_store(model, store, se=False)[0].astype(float)
    sets = cut_sets(store, keys, options["set_size"], options["sets_per_key"], options["sets"], rng)
    views = views_of(model, store, sets, keys, frame, options["kmer"])
    metrics, tables = readouts(ctx, views, sets, keys)

    found = population(ctx, keys, z, frame)
    if found is None:
        ctx.leave_out("sweeps, sites, novelty, perplexity, likelihood", "no month with evaluation.least sequences")
    else:
        months, trained = training_counts(store, keys, frame, 10 * options["known"])
        for own, more in (
            sweeps(ctx, found, frame, trained.sum(0)),
            sites(ctx, found, frame, trained, months),
            (novelty(ctx, found, keys, frame), {}),
            (likelihoods(ctx, found, keys), {}),
        ):
            metrics, tables = metrics | own, tables | more
    own, more = extrapolation(ctx, z, keys)
    metrics, tables = metrics | own, tables | more
    tables["embedding"] = embedding_map(z, keys, store)
    tables["left_out"] = left_out_table(ctx.left)
    return metrics, tables


def training_counts(store: Any, keys: Keys, frame: Frame, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Months (m,) and counts (m, R, tokens + 1) of tokens in about `most` training sequences, of each group by its
    size and at least one."""
    groups = store.select(split="train")
    months, of = np.unique(keys.month[groups], return_inverse=True)
    counts = np.zeros((len(months), frame.sites, store.alphabet.known + 1), np.int64)
    for m in range(len(months)):
        for tokens, _ in read_groups(store, groups[of == m], min(1.0, most / store.sizes[groups].sum())):
            counts[m] += site_counts(frame, frame.place(tokens))
    return months, counts


def embedding_map(z: np.ndarray, keys: Keys, store: Any) -> pd.DataFrame:
    """All groups in the two principal components of those that are not held out in time."""
    part = np.select([keys.part == "train", keys.part == FUTURE], ["trained", "held out in time"], "held out")
    about = {"group": keys.group, "label": keys.country, "part": part, "month [months]": keys.month}
    return principal_table(z, keys.past).assign(**about, **{"n_samples [1]": store.sizes})
