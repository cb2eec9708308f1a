"""Comparison of many groups: permutation tests of all pairs at once, by the influence of each sample."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
import torch

from gde.compare import AT_MOST, RIDGE, ROUNDING, check_store, compare, group_samples
from gde.embed import default_rows, encode_sets
from gde.errors import bad
from gde.influence import influence, smooth
from gde.models.base import Model
from gde.sets.store.set_store import SetStore
from gde.tl.association import benjamini_hochberg
from gde.tl.effect import effect_of

log = logging.getLogger(__name__)
FEWEST, MOST = 999, 19_999  # permutations, where nobody says how many
LEVEL = 0.05  # of the false discovery rate that permutations are to reach
HELD = 2**24  # numbers of shared permutations that are kept, and of one that are drawn together


@dataclass(frozen=True)
class Group:
    """Samples of a group that are compared (n, d), their weights (n,) or None, and how many it has."""

    name: str
    x: np.ndarray
    weight: np.ndarray | None
    samples: int


def compare_samples(
    model: Model,
    store: SetStore,
    names: Sequence[str] | None = None,
    *,
    reference: str | None = None,
    split: str | None = "test",
    at_most: int = AT_MOST,
    permutations: int | None = None,
    exact: bool = False,
    seed: int = 0,
) -> pd.DataFrame:
    """Tests that the samples of two groups of a store are of one distribution: all pairs of the groups in `names`
    (default: of all that have two samples in the split), or of each with the `reference`.

    statistic : squared difference of the groups' mean influence (`gde.influence`, at the distribution of all compared
    samples together), each principal axis divided by its variance with RIDGE mean variances added; in units of its mean
    over permutations, so about 1 where nothing differs. The influence of a sample depends on no group's name, so
    dealing names out anew gives an exact test, P(p <= x) <= x where two groups are of one distribution, for any encoder
    whose weights these samples did not train. All pairs share one batch of permutations.
    exact : embed all deals anew instead (`gde.compare.compare`), hundreds of times as slow; the only way for medians.
    permutations : default 999, more where the least possible p-value would be lost among so many pairs.

    returns a table, a row for each pair, most different first: first, second, n_first, n_second (samples used),
    distance of the embeddings, null_distance (expected of one distribution), effect (distance freed of sampling errors)
    with its 95 % interval effect_low, effect_high (delta method), effect_size (effect in standard deviations of the
    influence of single samples), statistic, p_value, fdr (Benjamini & Hochberg 1995 over the pairs); attrs:
    permutations, seed, run, left_out. Distances are in latent units. GdeError for unknown or single groups, another
    model's store, and a model of medians without `exact`.
    """
    check_store(model, store)
    if not exact and not smooth(model):
        log.info("an encoder of medians: all permutations are embedded anew")
        exact = True
    groups, left_out = _groups(store, names, reference, split, at_most, seed)
    place = {group.name: i for i, group in enumerate(groups)}
    if reference is None:
        pairs = list(combinations(range(len(groups)), 2))
    else:
        pairs = [(place[reference], i) for i in range(len(groups)) if i != place[reference]]
    if permutations is None:
        permutations = int(np.clip(np.ceil(len(pairs) / LEVEL) - 1, FEWEST, MOST)) if not exact else FEWEST
    with torch.no_grad():
        z = encode_sets(model, ((g.x, g.weight) for g in groups), default_rows(model)).astype(float)
    pool = np.concatenate([g.x for g in groups])
    weight = np.concatenate([g.weight for g in groups]) if store.weighted else None
    if smooth(model):
        phi = np.split(influence(model, pool, weight), np.cumsum([len(g.x) for g in groups])[:-1])
        spread = [_spread(p, g.weight) for p, g in zip(phi, groups, strict=True)]
    largest = max(len(groups[i].x) + len(groups[j].x) for i, j in pairs)
    deals = Deals(permutations, seed, largest)
    rows = []
    for i, j in pairs:
        a, b = groups[i], groups[j]
        row = {"first": a.name, "second": b.name, "n_first": len(a.x), "n_second": len(b.x)}
        row["distance"] = float(np.linalg.norm(z[i] - z[j]))
        if smooth(model):
            unit = np.sqrt((np.trace(spread[i][0]) + np.trace(spread[j][0])) / 2)
            row |= effect_of(z[i] - z[j], spread[i][1] + spread[j][1], unit)
        if exact:
            given = (a.weight, b.weight) if store.weighted else None
            found = compare(model, a.x, b.x, weights=given, permutations=permutations, seed=seed)
            row |= {"null_distance": found.null_distance, "statistic": found.statistic, "p_value": found.p_value}
        else:
            row |= deals.test(phi[i], phi[j], a.weight, b.weight)
        rows.append(row)
    table = pd.DataFrame(rows)
    table["fdr"] = benjamini_hochberg(table["p_value"].to_numpy())
    table = table.sort_values(["p_value", "statistic"], ascending=[True, False], ignore_index=True, kind="stable")
    table.attrs = {
        "permutations": permutations,
        "seed": seed,
        "run": model.config.get("run", ""),
        "split": split or "all",
        "exact": exact,
        "groups": {g.name: {"samples": g.samples, "used": len(g.x)} for g in groups},
        "left_out": left_out,
    }
    return table


def _groups(
    store: SetStore, names: Sequence[str] | None, reference: str | None, split: str | None, at_most: int, seed: int
) -> tuple[list[Group], list[str]]:
    """The groups to compare, and what was left out because it is too small."""
    rng, left_out = np.random.default_rng(seed), []
    if names is None:
        table = store.groups if split is None else store.groups[store.groups["split"] == split]
        sizes = table.assign(n=store.sizes[table.index]).groupby(table["group"].astype(str), sort=True)["n"].sum()
        names = sizes.index[sizes >= 2].tolist()
        left_out = sizes.index[sizes < 2].tolist()
    if reference is not None and reference not in names:
        names = [reference, *names]
    if len(names) < 2:
        where, expected = f"{store.path}: split {split or 'all'}", "two groups or more of two samples"
        raise bad(where, f"{len(names)} groups to compare", expected, "name another split: --split all")
    if len(set(names)) < len(names):
        twice = next(name for name in names if list(names).count(name) > 1)
        raise bad(f"group {twice!r}", "the same group twice", "two groups", "name another")
    groups = []
    for name in names:
        x, weight = group_samples(store, name, split)
        used = np.arange(len(x)) if len(x) <= at_most else np.sort(rng.choice(len(x), at_most, replace=False))
        groups.append(Group(name, x[used], None if weight is None else weight[used], len(x)))
    return groups, left_out


def _spread(phi: np.ndarray, weight: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Covariance (l, l) of the influence of a group's samples, and that of the error of its embedding: the former
    over the number of samples, or over (sum w)² / sum w²."""
    w = np.full(len(phi), 1 / len(phi)) if weight is None else weight / weight.sum()
    centred = phi - w @ phi
    effective = 1 / np.square(w).sum()
    covariance = (centred * w[:, None]).T @ centred * effective / (effective - 1)
    return covariance, covariance / effective


class Deals:
    """Random deals of the samples of two groups, from random orders that all pairs share.

    largest : samples of the largest pair; without it each size has orders of its own.
    """

    def __init__(self, permutations: int, seed: int, largest: int | None = None):
        self.permutations, self.seed, self.largest = permutations, seed, largest
        self.orders: dict[int, list[np.ndarray]] = {}
        self.kept: dict[tuple[int, int], list[np.ndarray]] = {}

    def ranks(self, width: int) -> list[np.ndarray]:
        """Random orders of `width` samples (p, width), each rank once in a row, in parts."""
        if width not in self.orders:
            rng, step = np.random.default_rng([self.seed, width]), max(1, HELD // width)
            small = np.uint16 if width <= 1 << 16 else np.uint32
            rows = [min(step, self.permutations - start) for start in range(0, self.permutations, step)]
            self.orders[width] = [rng.random((n, width), dtype=np.float32).argsort(1).astype(small) for n in rows]
        return self.orders[width]

    def parts(self, n: int, m: int) -> list[np.ndarray]:
        """Which of n + m samples are dealt to the first group: (p, n + m) of 0 and 1, float32, in parts; those that
        come first in the orders."""
        if (n, m) not in self.kept:
            made = []
            for order in self.ranks(self.largest or n + m):
                own = order[:, : n + m]
                last = np.partition(own, n - 1, axis=1)[:, n - 1 : n]
                made.append((own <= last).astype(np.float32))
            if sum(part.size for parts in self.kept.values() for part in parts) > 8 * HELD:
                self.kept.clear()
            self.kept[n, m] = made
        return self.kept[n, m]

    def test(
        self, a: np.ndarray, b: np.ndarray, weight_a: np.ndarray | None, weight_b: np.ndarray | None
    ) -> dict[str, float]:
        """null_distance, statistic and p_value of influences a (n, l) and b (m, l)."""
        n, m = len(a), len(b)
        phi = np.concatenate([a, b])
        w = np.ones(n + m) if weight_a is None else np.concatenate([weight_a, weight_b]).astype(float)
        phi = phi - (w @ phi) / w.sum()
        variance, axes = np.linalg.eigh((phi * np.square(w)[:, None]).T @ phi)
        scale = np.sqrt(np.maximum(variance, 0) + RIDGE * max(variance.mean(), 0))
        total = w.sum()
        if not scale.min() > 0:  # all samples alike: nothing to see
            return {"null_distance": 0.0, "statistic": 0.0, "p_value": 1.0}
        white = (phi @ axes / scale).astype(np.float32)
        wide = np.c_[white * w[:, None], w].astype(np.float32)

        def difference(first: np.ndarray) -> np.ndarray:
            """Differences of means (p, l), whitened, of deals `first` (p, n + m); sums over all are (0, total)."""
            sums = first @ wide
            own = sums[:, -1:]
            return sums[:, :-1] * (total / (own * (total - own)))

        true = difference((np.arange(n + m) < n).astype(np.float32)[None])[0]
        observed = float(np.square(true).sum())
        as_far, total_square, total_distance = 0, 0.0, 0.0
        for part in self.parts(n, m):
            d = difference(part)
            squares = np.square(d).sum(1)
            as_far += int((squares >= observed * (1 - ROUNDING)).sum())
            total_square += float(squares.sum(dtype=float))
            total_distance += float(np.linalg.norm(d * scale.astype(np.float32), axis=1).sum(dtype=float))
        return {
            "null_distance": total_distance / self.permutations,
            "statistic": observed * self.permutations / total_square if total_square > 0 else 0.0,
            "p_value": (1 + as_far) / (self.permutations + 1),
        }
