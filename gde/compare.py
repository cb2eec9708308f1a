"""Comparison of two sets of samples: a permutation test that embeds every deal of them anew."""

import difflib
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from gde.embed import default_rows, read_set
from gde.errors import bad
from gde.sets.source import load_features
from gde.sets.store.layout import SPLITS
from gde.sets.store.set_store import SetStore

ROWS_AT_ONCE = 131_072
TOKENS_AT_ONCE = 1 << 19
AT_MOST = 2000  # samples of a group
# Mean variances added to that of each axis. With fewer, axes of little variance count as much as the few in which a
# mean or a composition differs; with more, a change of spread is seen less, and an encoder that knows little of the
# data sees less of all. Two statistics of different ridges, by the smaller p-value, do no better than one.
RIDGE = 0.3
ROUNDING = 1e-5  # of a statistic: equal arrangements differ by so much in float32


@dataclass(frozen=True)
class Comparison:
    """The test of two groups.

    distance : Euclidean distance of the embeddings, latent units.   null_distance : its mean over permutations.
    statistic, p_value : see `compare`.
    """

    distance: float
    null_distance: float
    statistic: float
    p_value: float
    permutations: int


@torch.no_grad()
def compare(
    model: Any,
    a: np.ndarray,
    b: np.ndarray,
    *,
    weights: tuple[np.ndarray, np.ndarray] | None = None,
    permutations: int = 999,
    seed: int = 0,
) -> Comparison:
    """Permutation test that samples a (n, d) and b (m, d) are of one distribution, by their embeddings under `model`.

    weights : (n,) and (m,), of samples that stand for several; each is dealt out with its sample.

    The pooled samples are dealt out anew into sets of n and m, and embedded again, `permutations` times. Statistic: the
    sum over principal axes of the squared difference of the two embeddings, centred and divided by its variance over
    all deals, the true one among them, RIDGE mean variances added; in units of its mean over permutations. So a
    difference counts by its standard error, and the bias of sets of unequal size is taken off.
    p = (1 + #{deals at least as far}) / (permutations + 1) is valid for any model that was not trained on these
    samples: P(p <= x) <= x where there is no difference. Its power to see one is the model's.
    ValueError for fewer than two samples, or shapes that differ.
    """
    if min(len(a), len(b)) < 2 or a.ndim < 2 or a.shape[1:] != b.shape[1:]:
        found = f"shapes {a.shape} and {b.shape}"
        raise ValueError(f"compare: found {found}, expected (n, d) and (m, d) with n, m >= 2; give two sets of samples")
    pool = model.sample_type.tensor(np.concatenate([a, b])).to(model.device)
    weight = None if weights is None else torch.from_numpy(np.concatenate(weights).astype(np.float32)).to(model.device)
    rng, n = np.random.default_rng(seed), len(pool)
    difference = []
    step = max(1, default_rows(model, ROWS_AT_ONCE, TOKENS_AT_ONCE) // n)
    for start in range(0, permutations + 1, step):
        deals = [rng.permutation(n) for _ in range(min(step, permutations + 1 - start))]
        if start == 0:
            deals[0] = np.arange(n)
        deal = torch.from_numpy(np.stack(deals)).to(pool.device)
        x, w = pool[deal], None if weight is None else weight[deal]  # (deals, n, d), (deals, n)
        parts = (slice(None, len(a)), slice(len(a), None))
        first, second = (model.encode(x[:, p], weight=None if w is None else w[:, p]) for p in parts)
        difference.append((first - second).double().cpu())
    d = torch.cat(difference).numpy()  # (permutations + 1, l)
    centred = d - d.mean(0)
    variance, axes = np.linalg.eigh(centred.T @ centred / len(d))
    ridge = RIDGE * variance.mean()
    # all deals equal: nothing to see, and nothing to divide by
    statistic = (np.square(centred @ axes) / (variance + ridge)).sum(1) if ridge > 0 else np.zeros(len(d))
    as_far = (statistic[1:] >= statistic[0] * (1 - ROUNDING)).sum()
    distance = np.linalg.norm(d, axis=1)
    usual = statistic[1:].mean()
    return Comparison(
        distance=float(distance[0]),
        null_distance=float(distance[1:].mean()),
        statistic=float(statistic[0] / usual) if usual > 0 else 0.0,
        p_value=(1 + int(as_far)) / (permutations + 1),
        permutations=permutations,
    )


def group_samples(store: SetStore, name: str, split: str | None) -> tuple[np.ndarray, np.ndarray | None]:
    """All samples (n, d) of a group in one split, or in all of them (None), and their weights (n,) where there are any.

    GdeError for a group that is not there, with the nearest names or the splits it is in, or that has one sample.
    """
    names = store.groups["group"].astype(str)
    rows = np.flatnonzero(names == name)
    if not len(rows):
        near = difflib.get_close_matches(name, list(dict.fromkeys(names)), 3, cutoff=0.0)
        raise bad(f"{store.path}: group {name!r}", "no such group", f"e.g. {', '.join(near)}", "correct the name")
    splits = store.groups["split"].to_numpy()[rows]
    chosen = rows if split is None else rows[splits == split]
    if not len(chosen):
        there = ", ".join(s for s in SPLITS if s in splits)
        remedy = f"add `--split {splits[0]}`, or `--split all`; the p-value is not valid for samples trained on"
        raise bad(f"{store.path}: group {name!r}", f"samples in {there} only", f"some in split {split}", remedy)
    parts = [read_set(store, int(row)) for row in chosen]
    x = np.concatenate([samples for samples, _ in parts])
    if len(x) < 2:
        raise bad(f"{store.path}: group {name!r}", "1 sample", "two or more", "a set of one has no standard error")
    return x, np.concatenate([weight for _, weight in parts]) if store.weighted else None


def check_steps(model: Any, store: SetStore) -> None:
    """GdeError unless what made the samples of a store is what makes those of the model: preprocessing, fitted on the
    same samples, and the residues before a read's CpGs."""
    if store.meta["kind"] == "query" or store.digest == model.config.get("store"):
        return  # made by the model's own steps, or what it was trained on
    remedy = "give the file that it was made from, which goes through the model's own steps"
    theirs, own = load_features(store), model.features
    if (theirs is None) != (own is None) or (own is not None and not own.same_as(theirs)):
        raise bad(store.path, "samples of another preprocessing, fitted on other data", "the model's own", remedy)
    context = model.config.get("dataset", {}).get("context")
    if store.meta.get("context") != context:
        words = [
            f"{n} residues before the CpGs of a read" if n else "no reads" for n in (store.meta.get("context"), context)
        ]
        raise bad(store.path, words[0], f"{words[1]}, as in training", "give the model that was trained on this data")


def check_store(model: Any, store: SetStore) -> None:
    """GdeError unless a store holds samples as the model takes them, made by the model's own steps."""
    kind, own = store.sample_type, model.sample_type
    if kind != own:
        found = f"samples of shape {kind.shape}, {kind.described}"
        expected = f"{own.shape}, {own.described}, the model's"
        raise bad(store.path, found, expected, "give the model that was trained on this data")
    check_steps(model, store)
