"""Associations: how much of the variation of embeddings each column of obs explains, by permutation."""

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from gde.errors import bad
from gde.tl.columns import column, is_number, telling
from gde.tl.embedded import Embedded, apart, embedded

if TYPE_CHECKING:
    import anndata

log = logging.getLogger(__name__)
FEWEST = 4  # groups with a value
ROUNDING = 1e-9  # of R2: equal arrangements differ by so much


def associations(
    embeddings: "anndata.AnnData",
    columns: Sequence[str] | None = None,
    *,
    unit: str | None = None,
    within: str | None = None,
    layer: str | None = None,
    permutations: int = 999,
    seed: int = 0,
) -> pd.DataFrame:
    """Association of the whole embedding with every column of obs: share of variation, p-value, false discovery rate.

    R2 = share of the sum of squares of the embeddings that lies between categories (PERMANOVA, Anderson 2001), or that
    a linear regression on a number explains (distance-based redundancy analysis, McArdle & Anderson 2001). p = (1 +
    #{permutations of the values with at least as much}) / (permutations + 1). It also grows small where categories
    differ in spread alone.

    columns : default, all that differ.   unit : obs column of what is independent, such as the donor; default `group`.
    A column with one value per unit is dealt out anew among the units, one that varies in it among the unit's rows, and
    one that names the units among all rows: do those of a unit lie together?
    within : obs column, such as the batch. R2 is then of what remains of embeddings and values after its means, and
    values are dealt out within it alone: the p-value is valid however values and batches go together. Groups far from
    all others, which would be most of the sum of squares, are left out.

    Writes uns['gde_associations'], and of `within` or a layer under that name with '_<within>', '_<layer>' behind.
    returns a table, a row for each column by name: kind, groups (with a value), units, r2, chance (mean r2 of
    permutations), ceiling (1 - the errors' share of the variation of groups with known errors, which nothing can
    explain), p_value, fdr (Benjamini & Hochberg 1995). p_value is NaN where no permutation changes anything, as of a
    column that says the same as `within`. GdeError for an unknown column, one of a single value, and too few groups.
    """
    own = embedded(embeddings, layer, FEWEST)
    chosen = telling(embeddings.obs) if columns is None else list(columns)
    if unit is None and "group" not in embeddings.obs:
        units = pd.Series(np.arange(embeddings.n_obs), index=embeddings.obs_names)
    else:
        units = column(embeddings, unit or "group")
    usual = ~apart(own.z)  # whatever they are: the rule looks at no values
    strata = None if within is None else column(embeddings, within)
    if strata is not None:
        usual &= strata.notna().to_numpy()
    chosen = [name for name in chosen if name not in (within, "group" if columns is None else None)]
    rows, testers = {}, np.random.default_rng(seed).spawn(len(chosen))
    for name, rng in zip(chosen, testers, strict=True):
        values = column(embeddings, name)
        known = values.notna().to_numpy() & usual
        if known.sum() < FEWEST or values[known].nunique() < 2:
            found = f"{values[known].nunique()} different values of {known.sum()} groups"
            raise bad(f"obs column {name!r}", found, f"two or more, of {FEWEST} groups", "leave it out")
        part = Embedded(own.z[known], own.variance[known])
        codes = pd.factorize(units[known])[0], np.zeros(known.sum(), int) if strata is None else _codes(strata[known])
        numeric = is_number(embeddings.obs, name)
        rows[name] = _test(part, values[known], numeric, *codes, permutations, rng)
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("column")
    table["fdr"] = benjamini_hochberg(table["p_value"].to_numpy(dtype=float)) if len(table) else []
    for line in dependent(embeddings, table.index, unit or "group"):
        log.warning("%s", line)
    embeddings.uns[slot(within, layer)] = table
    return table


def slot(*about: str | None) -> str:
    """The key of a table of associations in uns: of `within` and layer; HDF5 allows no slash."""
    return "_".join(["gde_associations", *(key.replace("/", "_") for key in about if key)])


def _test(
    own: Embedded,
    values: pd.Series,
    numeric: bool,
    unit: np.ndarray,
    stratum: np.ndarray,
    permutations: int,
    rng: np.random.Generator,
) -> dict[str, object]:
    """One row of the table; unit, stratum (g,) codes."""
    x = values.to_numpy(dtype=float)[:, None] if numeric else np.eye(values.nunique())[_codes(values)]  # (g, p)
    z = _centred(own.z, stratum)
    total = np.square(z).sum()
    ceiling = _ceiling(z, own.noise, stratum)
    left, scale, _ = np.linalg.svd(z, full_matrices=False)
    z = left * scale  # the same scalar products in min(g, l) numbers

    def r2(x: np.ndarray) -> float:
        return explained(x, z, stratum, numeric) / total if total > 0 else 0.0

    deal = dealer(x, unit, stratum)
    true = r2(x)
    null = np.array([r2(x[deal(rng)]) for _ in range(permutations)])
    moved = (np.abs(null - true) > ROUNDING).any()
    return {
        "kind": "number" if numeric else "categories",
        "groups": len(values),
        "units": int(unit.max()) + 1,
        "r2": true,
        "chance": null.mean(),
        "ceiling": ceiling,
        "p_value": (1 + (null >= true - ROUNDING).sum()) / (permutations + 1) if moved else np.nan,
    }


def explained(x: np.ndarray, z: np.ndarray, stratum: np.ndarray, numeric: bool) -> float:
    """Sum of squares that values x (g, p), a number or an indicator of each category, explain of z (g, l), which is
    centred within strata."""
    if numeric:
        x = _centred(x, stratum)
        size = np.square(x).sum()
        return float(np.square(x.T @ z).sum() / size) if size > 0 else 0.0
    if not stratum.any():
        counts = x.sum(0)
        return float((np.square(x.T @ z).sum(1)[counts > 0] / counts[counts > 0]).sum())
    basis, size, _ = np.linalg.svd(_centred(x, stratum), full_matrices=False)
    return float(np.square(basis[:, size > 1e-8 * np.sqrt(len(x))].T @ z).sum())


def _ceiling(z: np.ndarray, noise: np.ndarray, stratum: np.ndarray) -> float:
    """1 - the share of errors in the squares of centred z (g, l), over rows of known noise (g,); NaN where there is
    none, and 0 where errors exceed what varies."""
    known = np.isfinite(noise)
    total = np.square(z[known]).sum()
    freedom = 1 - (stratum.max() + 1) / len(z)
    return max(0.0, 1 - noise[known].sum() * freedom / total) if total > 0 else float("nan")


def dealer(x: np.ndarray, unit: np.ndarray, stratum: np.ndarray) -> Callable[[np.random.Generator], np.ndarray]:
    """A function that draws a permutation of the values x (g, p): positions (g,) that they come from.

    Units with one value each exchange these with units of the same strata; rows do within the stratum where values name
    the units, and else within unit and stratum.
    """
    first = np.unique(unit, return_index=True)[1]  # by unit
    if len(first) < len(x) and len(np.unique(x, axis=0)) == len(first) == len(np.unique(np.c_[x, unit], axis=0)):
        return lambda rng: _shuffled(stratum, rng)
    if (x == x[first[unit]]).all():
        spans = [tuple(sorted(set(stratum[unit == u]))) for u in range(len(first))] if stratum.any() else None
        block = np.zeros(len(first), int) if spans is None else pd.factorize(pd.Series(spans, dtype=object))[0]
        return lambda rng: first[_shuffled(block, rng)][unit]
    block = pd.factorize(pd.MultiIndex.from_arrays([unit, stratum]))[0]
    return lambda rng: _shuffled(block, rng)


def _shuffled(block: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Positions, in random order within each block."""
    out = np.empty(len(block), int)
    out[np.argsort(block, kind="stable")] = np.lexsort((rng.random(len(block)), block))
    return out


def _codes(values: pd.Series) -> np.ndarray:
    return pd.factorize(values.astype(str))[0]


def _centred(x: np.ndarray, stratum: np.ndarray) -> np.ndarray:
    """x (g, p) without the means of strata."""
    sums = np.zeros((stratum.max() + 1, x.shape[1]))
    np.add.at(sums, stratum, x)
    return x - (sums / np.bincount(stratum)[:, None])[stratum]


def benjamini_hochberg(p: np.ndarray) -> np.ndarray:
    """False discovery rates of p-values (m,); NaN stays NaN and does not count."""
    out = np.full(len(p), np.nan)
    known = np.flatnonzero(np.isfinite(p))
    order = known[np.argsort(p[known])[::-1]]
    ranks = np.arange(len(order), 0, -1)
    out[order] = np.minimum.accumulate(np.minimum(1.0, p[order] * len(order) / ranks)) if len(order) else []
    return out


def dependent(embeddings: "anndata.AnnData", columns: Sequence[str], unit: str) -> list[str]:
    """A line for every column of categories that another, with several rows a value, determines: rows are then no
    independent units (cells of a donor by type), and p-values that take them for such are too small."""
    out = []
    obs = embeddings.obs
    repeated = [
        name
        for name in obs.columns
        if name not in (unit, "group", "split") and not is_number(obs, name) and obs[name].nunique() < len(obs)
    ]
    units = obs[unit].nunique() if unit in obs else len(obs)
    for name in columns:
        if name == unit or is_number(obs, name):
            continue
        for other in repeated:
            count = obs[other].nunique()
            alone = obs.groupby(other, observed=True)[name].nunique().max() == 1
            if other != name and alone and 2 * obs[name].nunique() <= count < units:
                out.append(
                    f"{name} has one value for each of {count} values of {other}, and its p-value takes {units} groups "
                    f"as independent; if they are not, give unit={other!r} (--unit {other})"
                )
    return out
