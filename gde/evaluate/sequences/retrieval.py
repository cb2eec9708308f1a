"""Retrieval: is a held-out set nearest to what its own group is known by? Search with sets of a few samples, by
similarity."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from gde.errors import bad
from gde.evaluate.shared.context import Context, Results
from gde.evaluate.shared.held_sets import Held, held_sets
from gde.evaluate.shared.metrics import mean_interval, record
from gde.evaluate.shared.rows import tokens_of
from gde.evaluate.shared.tables import embedding_table

SHOWN = 12  # groups in the map of embeddings
CURVE = (1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)  # places of the curve of recall
SPREAD = 1e-3  # of a component's variance beside the largest one
Sets = list[np.ndarray]
View = Callable[[Sets], np.ndarray]  # sets of tokens (n, L) -> vectors (sets, p)


@dataclass(frozen=True)
class Search:
    """Sets of held-out groups: rows of the store that each group is known by, `known`; rows that are searched with,
    disjoint and apart from these, `asked`, and the number of the group, `of` (q,), of each."""

    held: list[Held]
    known: Sets
    asked: Sets
    of: np.ndarray


def searches(store: Any, options: dict, rng: np.random.Generator) -> Search:
    """Of at most `searched` held-out groups; each is cut into up to `repeats` sets of at most `set_size` samples, two
    where it has two. GdeError for fewer than three groups."""
    held, _ = held_sets(store, options["most"], options["searched"], rng)
    if len(held) < 3:
        found = f"{len(held)} held-out groups with samples to know them by"
        raise bad(store.path, found, "three or more", "lower min_size or min_docs, or change dataset.split")
    asked, of = [], []
    for i, one in enumerate(held):
        n = len(one.target)
        parts = int(np.clip(n // options["set_size"], min(2, n), options["repeats"]))
        each = min(options["set_size"], n // parts)
        asked += [one.target[p * each : (p + 1) * each] for p in range(parts)]
        of += [i] * parts
    return Search(held, [h.context for h in held], asked, np.array(of))


def seen_by(view: View, store: Any, rows: Sets) -> np.ndarray:
    """Vectors (sets, p) of sets of rows of the store under a plain view."""
    return view([tokens_of(store, own) for own in rows])


def similarity(asked: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Cosine (q, g) of vectors (q, p) and (g, p), the mean of the known ones being the origin."""
    centre = known.mean(0)
    a, b = (x - centre for x in (asked, known))
    a, b = (x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-300) for x in (a, b))
    return a @ b.T


def whitened(asked: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vectors (q, p) and (g, p) in the principal components of the known ones, each in units of its spread, so that a
    few directions of large variance do not outweigh the others (Jegou and Chum, ECCV 2012, section 3). Those of less
    than a share `SPREAD` of the largest one's variance are left out."""
    centre = known.mean(0)
    values, vectors = np.linalg.eigh((known - centre) @ (known - centre).T)  # (g, g): fewer than words
    kept = values > max(SPREAD * values[-1], 1e-300)
    if not kept.any():
        return asked - centre, known - centre
    directions = (known - centre).T @ (vectors[:, kept] / values[kept])
    return (asked - centre) @ directions, (known - centre) @ directions


def ranks(asked: np.ndarray, known: np.ndarray, of: np.ndarray) -> np.ndarray:
    """Place (q,), from 1, of each set's own group among the known ones; of those as similar, the middle place."""
    found = similarity(asked, known)
    own = found[np.arange(len(of)), of][:, None]
    return 1 + (found > own).sum(1) + ((found == own).sum(1) - 1) / 2


def purities(asked: np.ndarray, of: np.ndarray) -> np.ndarray:
    """Of each set of a group with m sets, m > 1: the share of its group's among the m - 1 sets most similar to it;
    NaN for others."""
    found = similarity(asked, asked)
    np.fill_diagonal(found, -np.inf)
    size = np.bincount(of)[of]
    order = np.argsort(-found, axis=1, kind="stable")
    same = of[order] == of[:, None]
    hits = np.array([row[: m - 1].sum() for row, m in zip(same, size, strict=True)], float)
    return np.where(size > 1, hits / np.maximum(size - 1, 1), np.nan)


def retrieval(ctx: Context, views: dict[str, tuple[np.ndarray, np.ndarray]], of: np.ndarray) -> Results:
    """Records and table. views : name -> vectors of the sets that are searched with (q, p) and of the known groups
    (g, p); the first is ours, the others are baselines.

    retrieval/recall_k : share of the sets whose group is among the first k; of more than k groups. retrieval/mrr : mean
    of 1 / place. retrieval/whitened : recall_1 of whitened vectors, those of the baselines too. Groups count alike,
    whatever sets they have, and are what the intervals resample.
    """
    groups = len(next(iter(views.values()))[1])
    place = {name: ranks(asked, known, of) for name, (asked, known) in views.items()}
    scores: dict[str, tuple[dict[str, np.ndarray], float]] = {}
    for k in (1, 10):
        if k >= groups:  # every group is among as many
            ctx.leave_out(f"retrieval/recall_{k}", f"{groups} held-out groups, all of them among the first {k}")
            continue
        per_group = {name: by_group((p <= k).astype(float), of) for name, p in place.items()}
        scores[f"recall_{k}"] = per_group, k / groups
    first = {name: ranks(*whitened(asked, known), of) <= 1 for name, (asked, known) in views.items()}
    scores["whitened"] = {name: by_group(found.astype(float), of) for name, found in first.items()}, 1 / groups
    scores["mrr"] = (
        {name: by_group(1 / p, of) for name, p in place.items()},
        float((1 / np.arange(1, groups + 1)).mean()),
    )
    size = np.bincount(of)
    several = np.flatnonzero(size > 1)
    if len(several) < 2:
        ctx.leave_out("retrieval/purity", "fewer than two held-out groups with two sets")
    else:
        pure = {name: by_group(purities(asked, of), of)[several] for name, (asked, _) in views.items()}
        scores["purity"] = pure, float((size[several] - 1).mean() / (len(of) - 1))
    ours, *others = views
    metrics = {
        f"retrieval/{name}": record(
            values[ours].mean(),
            n=len(values[ours]),
            higher_is_better=True,
            chance=chance,
            ceiling=1.0,
            ci=mean_interval(values[ours], ctx.rng, repeats=ctx.repeats),
            baselines={other: values[other].mean() for other in others},
        )
        for name, (values, chance) in scores.items()
    }
    first = [k for k in CURVE if k < groups] + [groups]
    table = pd.DataFrame(
        [(name, k, by_group((p <= k).astype(float), of).mean()) for name, p in place.items() for k in first]
        + [("chance", k, k / groups) for k in first],
        columns=["source", "first [places]", "recall [1]"],
    )
    return metrics, {"retrieval": table}


def by_group(values: np.ndarray, of: np.ndarray) -> np.ndarray:
    """Mean (g,) of the values (q,) of each group's sets."""
    return np.bincount(of, values) / np.bincount(of)


def map_table(z: np.ndarray, search: Search, names: np.ndarray) -> pd.DataFrame:
    """Two principal components of the embeddings (q, l) of the sets of the groups with most of them."""
    size = np.bincount(search.of)
    shown = np.sort(np.argsort(-size, kind="stable")[:SHOWN])
    own = np.flatnonzero(np.isin(search.of, shown))
    label, sizes = names[search.of[own]], [len(search.asked[i]) for i in own]
    return embedding_table(z[own], group=label, label=label, part="target", sizes=sizes)
