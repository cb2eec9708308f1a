"""Levels of a column, such as cases and controls: do the groups of one differ from those of another? A test with the
group (the donor) as its unit."""

import logging
from collections.abc import Iterator
from itertools import combinations, product
from math import comb, prod
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from gde.errors import bad
from gde.tl.association import associations, benjamini_hochberg
from gde.tl.columns import column
from gde.tl.effect import effect_of
from gde.tl.embedded import embedded

if TYPE_CHECKING:
    import anndata

log = logging.getLogger(__name__)
ROUNDING = 1e-9
FEWEST = 2  # groups of a level
DRAWN = 1024  # deals at once


def compare_levels(
    embeddings: "anndata.AnnData",
    by: str,
    *,
    within: str | None = None,
    reference: str | None = None,
    permutations: int = 9999,
    seed: int = 0,
) -> pd.DataFrame:
    """Tests of all pairs of levels of an obs column, or of each with the `reference`; a unit is a row (a donor).

    Statistic: pseudo-F, the squares of embeddings that lie between two levels over those within them (PERMANOVA,
    Anderson 2001). The levels of rows are dealt out anew: every possible deal where there are at most `permutations`,
    else so many random ones. P-values are exact where the donors of two levels are of one distribution, however many
    cells they have. within : obs column, such as the batch, inside which levels are dealt out; means of its values are
    taken off the embeddings first.

    returns a table, a row for each pair, most different first: first, second, n_first, n_second (rows), distance of the
    levels' mean embeddings, effect (freed of sampling errors) with its 95 % interval effect_low, effect_high,
    effect_size (effect in standard deviations of the rows of a level), pseudo_f, deals, least_p (that so many deals can
    give), p_value, fdr (Benjamini & Hochberg 1995); attrs: by, within, overall (of all levels together: r2, p_value),
    left_out. GdeError for an unknown column, fewer than two levels of two rows, and a continuous one with a value for
    almost every row (`gde.tl.associations` tests those).
    """
    own = embedded(embeddings)
    values = column(embeddings, by)
    counts = values.dropna().astype(str).value_counts().sort_index()
    levels = counts.index[counts >= FEWEST].tolist()
    if len(levels) < 2:
        found = f"{len(levels)} values that {FEWEST} rows or more have"
        remedy = "name a column of few values; gde.tl.associations tests continuous ones"
        raise bad(f"obs column {by!r}", found, "two or more", remedy)
    if reference is not None and reference not in levels:
        raise bad(f"obs column {by!r}", f"no level {reference!r}", f"one of {', '.join(levels)}", "correct the name")
    strata = np.zeros(len(values), int) if within is None else pd.factorize(column(embeddings, within))[0]
    level = values.astype(object).where(values.notna(), None).map(lambda v: None if v is None else str(v)).to_numpy()
    known = np.isin(level, levels) & (strata >= 0)
    pairs = combinations(levels, 2) if reference is None else [(reference, v) for v in levels if v != reference]
    rng = np.random.default_rng(seed)
    rows = []
    for a, b in pairs:
        mine = known & ((level == a) | (level == b))
        first = level[mine] == a
        rows.append({"first": a, "second": b} | _test(own.z[mine], first, strata[mine], permutations, rng))
    table = pd.DataFrame(rows)
    table["fdr"] = benjamini_hochberg(table["p_value"].to_numpy(dtype=float))
    table = table.sort_values(["p_value", "pseudo_f"], ascending=[True, False], ignore_index=True, kind="stable")
    left_out = [f"{n} rows of {v!r}" for v, n in counts.items() if n < FEWEST]
    if missing := int(values.isna().sum()):
        left_out.append(f"{missing} rows without a value")
    table.attrs = {"by": by, "within": within, "seed": seed, "left_out": left_out}
    if len(levels) > 2 and reference is None:
        some = embeddings[known].copy()
        every = associations(some, [by], within=within, permutations=min(permutations, 999), seed=seed)
        table.attrs["overall"] = {k: float(every.loc[by, k]) for k in ("r2", "p_value")}
    return table


def _test(
    z: np.ndarray, first: np.ndarray, stratum: np.ndarray, permutations: int, rng: np.random.Generator
) -> dict[str, object]:
    """One row of the table: z (g, l) of two levels, first (g,) bool, stratum (g,)."""
    from scipy.stats import t

    n, m = int(first.sum()), int((~first).sum())
    row: dict[str, object] = {"n_first": n, "n_second": m}
    z = _centred(z, stratum)
    difference, error, unit = _difference(z, first, stratum)
    row["distance"] = float(np.linalg.norm(difference))
    row |= effect_of(difference, error, unit, float(t.ppf(0.975, n + m - 2)))
    total, freedom = float(np.square(z).sum()), n + m - 1 - len(np.unique(stratum))

    def pseudo_f(deals: np.ndarray) -> np.ndarray:
        """Of deals (p, g) of 0 and 1: those that are the first level."""
        x = _centred(deals.T.astype(float), stratum).T
        size = np.square(x).sum(1)
        between = np.divide(np.square(x @ z).sum(1), size, out=np.zeros(len(x)), where=size > ROUNDING)
        return between / np.maximum(total - between, ROUNDING * max(total, ROUNDING)) * max(freedom, 1)

    true = float(pseudo_f(first[None])[0])
    blocks = [np.flatnonzero(stratum == s) for s in np.unique(stratum)]
    possible = prod(comb(len(rows), int(first[rows].sum())) for rows in blocks)
    if possible <= permutations:
        as_far = sum(int((pseudo_f(part) >= true * (1 - ROUNDING)).sum()) for part in _every(first, blocks))
        deals, p = possible, as_far / possible
    else:
        as_far = sum(
            int((pseudo_f(part) >= true * (1 - ROUNDING)).sum()) for part in _some(first, blocks, permutations, rng)
        )
        deals, p = permutations + 1, (1 + as_far) / (permutations + 1)
    least = (2 if n == m and len(blocks) == 1 and possible <= permutations else 1) / deals
    return row | {"pseudo_f": true, "deals": deals, "least_p": least, "p_value": p if possible > 1 else np.nan}


def _difference(z: np.ndarray, first: np.ndarray, stratum: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Difference (l,) of the levels' means, within strata, the covariance (l, l) of its error, and the standard
    deviation of a row in its level."""
    x = _centred(first[:, None].astype(float), stratum)[:, 0]
    size = np.square(x).sum()
    if size <= ROUNDING:  # each stratum has one level: nothing to compare
        return np.zeros(z.shape[1]), np.zeros((z.shape[1], z.shape[1])), 0.0
    difference = x @ z / size
    rest = z - np.outer(x, difference)
    if not stratum.any():  # each level has its own spread
        parts = [rest[own] for own in (first, ~first)]
        error = sum(part.T @ part / (len(part) * (len(part) - 1)) for part in parts)
        spread = sum(np.square(part).sum() / (len(part) - 1) for part in parts) / 2
        return difference, error, float(np.sqrt(spread))
    freedom = max(1, len(z) - len(np.unique(stratum)) - 1)
    covariance = rest.T @ rest / freedom
    return difference, covariance / size, float(np.sqrt(np.trace(covariance)))


def _every(first: np.ndarray, blocks: list[np.ndarray]) -> Iterator[np.ndarray]:
    """All deals, the true one among them, in parts (p, g)."""
    choices = [list(combinations(rows, int(first[rows].sum()))) for rows in blocks]
    part = []
    for chosen in product(*choices):
        deal = np.zeros(len(first), bool)
        for rows in chosen:
            deal[list(rows)] = True
        part.append(deal)
        if len(part) == DRAWN:
            yield np.array(part)
            part = []
    if part:
        yield np.array(part)


def _some(
    first: np.ndarray, blocks: list[np.ndarray], permutations: int, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """Random deals in parts (p, g)."""
    for start in range(0, permutations, DRAWN):
        deals = np.zeros((min(DRAWN, permutations - start), len(first)), bool)
        for rows in blocks:
            deals[:, rows] = rng.permuted(np.broadcast_to(first[rows], (len(deals), len(rows))), axis=1)
        yield deals


def _centred(x: np.ndarray, stratum: np.ndarray) -> np.ndarray:
    """x (g, p) without the means of strata."""
    out = np.array(x, float)
    for s in np.unique(stratum):
        out[stratum == s] -= out[stratum == s].mean(0)
    return out
