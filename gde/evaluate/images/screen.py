"""Evaluation of an optical pooled screen: are genes of one complex alike, and guides of one gene, in whatever wells?"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from gde.evaluate.images.control_space import centred, whitened
from gde.evaluate.images.engineered import engineered, thresholds
from gde.evaluate.images.relations import cosines, found_pairs, means_by, pairs, precision_at_own, recall
from gde.evaluate.shared.context import Context, Results
from gde.evaluate.shared.discriminant import discriminant
from gde.evaluate.shared.embedding import embed_rows
from gde.evaluate.shared.metrics import mean_interval_of_groups, record
from gde.evaluate.shared.rows import rows_of
from gde.evaluate.shared.tables import embedding_table

SHARES = {"5": 0.05, "10": 0.1}
SPACES = {"": "whitened", "_centred": "centred", "_raw": "raw"}  # suffix of a metric, and what it is computed in
LEVEL = (0.025, 0.975)


@dataclass(frozen=True)
class Held:
    """Held-out groups (n,): gene, guide and well of each, whether its gene is a control, and the cells it has.
    genes (g,), related (g, g) bool, complexes (g,) : of the genes that are none."""

    gene: np.ndarray
    guide: np.ndarray
    well: np.ndarray
    control: np.ndarray
    cells: np.ndarray
    genes: np.ndarray
    complexes: np.ndarray

    @property
    def related(self) -> np.ndarray:
        return self.complexes[:, None] == self.complexes

    @property
    def pair_complex(self) -> np.ndarray:
        """The complex of each related pair, as `pairs` orders them."""
        i, j = pairs(len(self.genes))
        return self.complexes[i][self.related[i, j]]


def evaluate(ctx: Context) -> Results:
    """Records and tables of the held-out plates of a screen.

    relations/recall_* : share of pairs of genes of one complex among the most similar 5 or 10 % of all pairs, by cosine
    of the genes' mean embeddings (one tail); in the space of controls (`gde.evaluate.images.control_space`), only
    centred in each well, or raw, less the mean of all. Ceiling: cosines of the planted effects. Baselines:
    `engineered` features in the same space; `layout`, where a gene's cells are, and nothing that they look like.
    relations/shuffled_* : the same with genes exchanged within wells, the interval is of what shuffling gives.
    guides/map : average precision with which a guide finds others of its gene.   confounds/well : accuracy with which
    a linear discriminant reads the well of other genes' cells; `_centred`, in the space of controls.
    """
    ctx = ctx.drawing("screen")
    store = ctx.store
    groups = store.select(split="test")
    held = held_groups(store, groups)
    threshold = thresholds(store, ctx.rng)
    raw = {
        "embedding": np.stack([embed_rows(ctx.model, store, rows_of(store, int(g))) for g in groups]),
        "engineered": np.stack([engineered(store.read(int(g)), threshold) for g in groups]),
    }
    views = {name: spaces(x, held) for name, x in raw.items()}
    effect = store.truth["effect"].numpy()[groups]
    oracle = cosines(means_by(effect, held.gene, held.genes))
    metrics = {}
    for suffix, space in SPACES.items():
        metrics |= relations(ctx, held, {name: view[space] for name, view in views.items()}, oracle, suffix)
    metrics |= shuffled(ctx, held, views["embedding"]["whitened"])
    metrics["guides/map"] = guides(ctx, held, {name: view["whitened"] for name, view in views.items()})
    for suffix, space in (("", "raw"), ("_centred", "whitened")):
        metrics[f"confounds/well{suffix}"] = wells(ctx, held, {name: view[space] for name, view in views.items()})
    z = means_by(views["embedding"]["whitened"], held.gene, held.genes)
    measured = cosines(means_by(views["engineered"]["whitened"], held.gene, held.genes))
    sizes = [int(held.cells[held.gene == gene].sum()) for gene in held.genes]
    tables = {
        "relations": relation_table(held, cosines(z), measured, oracle),
        "embedding": embedding_table(z, group=held.genes, label=held.complexes, part="target", sizes=sizes),
    }
    return metrics, tables


def held_groups(store: Any, groups: np.ndarray) -> Held:
    """What the store's columns say of groups (n,), by the names that meta["screen"] gives them."""
    names = store.meta["screen"]
    frame = store.groups.iloc[groups]
    gene, guide, well, relation = (frame[names[key]].to_numpy(str) for key in ("gene", "guide", "well", "relation"))
    ((column, value),) = names["control"].items()
    control = (frame[column] == value).to_numpy()
    genes, first = np.unique(gene[~control], return_index=True)
    return Held(gene, guide, well, control, store.sizes[groups], genes, relation[~control][first])


def spaces(x: np.ndarray, held: Held) -> dict[str, np.ndarray]:
    """Vectors (n, l) of the groups in each space of SPACES."""
    own = centred(x, held.well, held.control)
    return {"raw": x - x.mean(0), "centred": own, "whitened": whitened(own, held.control)}


def relations(
    ctx: Context, held: Held, views: dict[str, np.ndarray], oracle: np.ndarray, suffix: str
) -> dict[str, dict[str, Any]]:
    """Records of the recall in one space; its interval draws complexes again."""
    similar = {name: cosines(means_by(x, held.gene, held.genes)) for name, x in views.items()}
    similar["layout"] = cosines(layout(held))
    known, out = held.related[pairs(len(held.genes))], {}
    for key, share in SHARES.items():
        hit = found_pairs(similar["embedding"], share)[known]
        out[f"relations/recall_{key}{suffix}"] = record(
            hit.mean(), n=len(hit), units=len(np.unique(held.pair_complex)), higher_is_better=True, chance=share,
            ci=mean_interval_of_groups(hit, held.pair_complex, ctx.rng, repeats=ctx.repeats),
            baselines={name: recall(similar[name], held.related, share) for name in ("engineered", "layout")},
            ceiling=recall(oracle, held.related, share),
        )  # fmt: skip
    return out


def layout(held: Held) -> np.ndarray:
    """Share (g, w) of each gene's cells in each well, less that of all: all that is known of where it was."""
    wells, code = np.unique(held.well, return_inverse=True)
    where = np.eye(len(wells))[code] * held.cells[:, None]
    count = means_by(where, held.gene, held.genes)
    share = count / count.sum(1, keepdims=True)
    return share - share.mean(0)


def shuffled(ctx: Context, held: Held, x: np.ndarray) -> dict[str, dict[str, Any]]:
    """Recall of genes (n,) exchanged within each well, controls apart: the mean, and the interval of the shufflings."""
    rng, found = ctx.random("screen/shuffled"), {key: [] for key in SHARES}
    places = [np.flatnonzero((held.well == w) & ~held.control) for w in np.unique(held.well)]
    for _ in range(ctx.options["shuffles"]):
        gene = held.gene.copy()
        for own in places:
            gene[own] = gene[rng.permutation(own)]
        similar = cosines(means_by(x, gene, held.genes))
        for key, share in SHARES.items():
            found[key].append(recall(similar, held.related, share))
    return {
        f"relations/shuffled_{key}": record(
            np.mean(found[key]), n=len(found[key]), target=share, ci=tuple(np.quantile(found[key], LEVEL)), chance=share
        )
        for key, share in SHARES.items()
    }


def guides(ctx: Context, held: Held, views: dict[str, np.ndarray]) -> dict[str, Any]:
    """Record of the mean average precision of guides; chance is that of guides whose genes are exchanged."""
    names, first = np.unique(held.guide[~held.control], return_index=True)
    gene = held.gene[~held.control][first]
    similar = {name: cosines(means_by(x, held.guide, names)) for name, x in views.items()}
    found = {name: precision_at_own(value, gene) for name, value in similar.items()}
    there = np.isfinite(found["embedding"])
    rng = ctx.random("screen/guides")
    chance = [np.nanmean(precision_at_own(similar["embedding"], rng.permutation(gene))) for _ in range(20)]
    own = found["embedding"][there]
    return record(
        own.mean(), n=len(own), units=len(np.unique(gene[there])), higher_is_better=True, chance=np.mean(chance),
        ci=mean_interval_of_groups(own, gene[there], ctx.rng, repeats=ctx.repeats),
        baselines={"engineered": found["engineered"][there].mean()}, ceiling=1.0,
    )  # fmt: skip


def wells(ctx: Context, held: Held, views: dict[str, np.ndarray]) -> dict[str, Any]:
    """Record of the accuracy with which wells are told, in two folds of genes: one is told by what the other shows."""
    genes = np.unique(held.gene)
    fold = np.isin(held.gene, ctx.random("screen/folds").permutation(genes)[: len(genes) // 2])
    right = {}
    for name, x in views.items():
        told = np.empty(len(x), held.well.dtype)
        for own in (fold, ~fold):
            told[~own] = discriminant(x[own], held.well[own])(x[~own])
        right[name] = (told == held.well).astype(float)
    return record(
        right["embedding"].mean(), n=len(fold), units=len(genes), higher_is_better=False,
        ci=mean_interval_of_groups(right["embedding"], held.gene, ctx.rng, repeats=ctx.repeats),
        baselines={"engineered": right["engineered"].mean()}, chance=1 / len(np.unique(held.well)),
    )  # fmt: skip


def relation_table(held: Held, embedding: np.ndarray, measured: np.ndarray, oracle: np.ndarray) -> pd.DataFrame:
    """Every pair of genes: whether it is related, and how similar it is."""
    i, j = pairs(len(held.genes))
    return pd.DataFrame(
        {
            "first [category]": held.genes[i],
            "second [category]": held.genes[j],
            "related [1]": held.related[i, j].astype(int),
            "embedding [cosine]": embedding[i, j],
            "engineered [cosine]": measured[i, j],
            "oracle [cosine]": oracle[i, j],
        }
    )
