"""Drivers: the features in which two groups differ, decoded from their embeddings, beside a pseudobulk test."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gde.models.base import Model
from gde.tl.decoded import embed_sides
from gde.tl.shifts import decoded_shifts, model_error, observed_shifts, relative_error, typical
from gde.tl.sides import Sides, read_sides

if TYPE_CHECKING:
    import anndata

SLOT = "gde_drivers"
DRAWS, GENERATED, SIGNIFICANT = 64, 512, 0.05
KNOWN = 0.5  # correlation of decoded and observed effects, below which the model is not worth reading


def drivers(
    data: "anndata.AnnData | str | Path",
    first: str,
    second: str,
    groupby: str | Sequence[str] | None = None,
    by: str | None = None,
    *,
    model: Model,
    n: int = GENERATED,
    draws: int = DRAWS,
    split: str | None = "test",
    k: int | None = None,
    seed: int = 0,
    **options: Any,
) -> pd.DataFrame:
    """Which features (genes, columns, k-mers, positions) carry the difference of two groups of samples.

    data : an AnnData, a file that the model reads, or its set store (of which `split` is taken; None: all).
    first, second : names of groups of `groupby`; with `by` levels of that column, such as `well` and `ill`: the groups
    are then units (donors), whose embeddings are averaged and drawn anew for the intervals.
    n : samples generated of each embedding.   draws : bootstrap replicates.   k : length of k-mers (DNA 4, protein 2).
    options : how a file is read, as of `GDE.embed`.

    returns a row for each feature, the largest decoded effect first:
    - decoded_shift : mean of samples generated from the second embedding - from the first, in the features' unit
      (attrs['unit']; of expression log1p of counts per 10,000); lower, upper its 95 % interval, p_value, fdr (Benjamini
      & Hochberg 1995), all with what the model gets wrong (attrs['model_error'], in standard deviations), and the
      interval with what it gets wrong of large shifts (attrs['relative_error'], a share of the observed one);
    - effect : the shift in standard deviations of single observed samples;
    - log2_ratio, of expression : the shift / ln 2, log2 of the ratio of geometric means of 1 + counts per 10,000;
    - decoded_spread, of vectors : log2 of the ratio of standard deviations of what is generated; spread_lower,
      spread_upper, spread_fdr, beyond the change of a typical feature; observed_spread (with donors: inside them);
    - pseudobulk_shift, pseudobulk_p_value, pseudobulk_fdr : the same difference of the observed samples, Welch's t of
      samples or of donors' means; pseudobulk_effect as `effect`.
    Writes it to uns['gde_drivers'] of an AnnData. GdeError as `gde.tl.sides.read_sides`.
    """
    sides = read_sides(model, data, first, second, groupby, by, split=split, k=k, **options)
    table = feature_table(model, sides, n=n, draws=draws, seed=seed)
    if hasattr(data, "uns"):
        data.uns[SLOT] = table
    return table


def feature_table(model: Model, sides: Sides, *, n: int = GENERATED, draws: int = DRAWS, seed: int = 0) -> pd.DataFrame:
    """The table of `drivers` of sides that were read."""
    with model.encoder.unchanging():
        a, b = embed_sides(model, sides, draws, seed)
    shift, spread, shared = decoded_shifts(model, sides, a, b, n, seed)
    seen, sd, seen_spread = observed_shifts(sides, sides.moments)
    unit = np.where(sd > 0, sd, np.nan)
    wrong = model_error(shift, seen, shared, unit)
    share = relative_error(shift, seen, shared, wrong * sd, unit)
    shift = shift.widened(wrong * sd)
    interval = shift.widened(share * np.abs(seen.value)).half  # a share of no shift is none: p-values are without it
    table = pd.DataFrame({"feature": sides.readout.names, "decoded_shift": shift.value})
    table = table.assign(lower=shift.value - interval, upper=shift.value + interval)
    if sides.readout.is_expression:
        table["log2_ratio"] = shift.value / np.log(2)
    table = table.assign(effect=shift.value / unit, p_value=shift.p, fdr=shift.fdr)
    if spread is not None:
        spread = spread.widened(np.full(len(sd), typical(spread.value, np.square(spread.se))))
        own = {"decoded_spread": spread.value, "spread_lower": spread.value - spread.half}
        own |= {"spread_upper": spread.value + spread.half, "spread_fdr": spread.fdr, "observed_spread": seen_spread}
        table = table.assign(**own)
    table = table.assign(pseudobulk_shift=seen.value, pseudobulk_effect=seen.value / unit)
    table = table.assign(pseudobulk_p_value=seen.p, pseudobulk_fdr=seen.fdr)
    order = np.argsort(-np.nan_to_num(np.abs(table["effect"].to_numpy())), kind="stable")
    table = table.iloc[order].reset_index(drop=True)
    counts = np.bincount(sides.side[sides.unit], minlength=2)
    table.attrs = {
        "first": sides.names[0],
        "second": sides.names[1],
        "by": sides.by,
        "unit": sides.readout.unit,
        "n_samples": counts.tolist(),
        "n_units": [a.units, b.units],
        "distance": float(np.linalg.norm(b.z - a.z)),
        "correlation": _correlation(table["effect"], table["pseudobulk_effect"]),
        "model_error": wrong,
        "relative_error": share,
        "generated": n,
        "draws": draws,
        "seed": seed,
        "run": model.config.get("run", ""),
    }
    return table


def _correlation(a: pd.Series, b: pd.Series) -> float:
    """Of decoded and observed effects: what the model knows of this difference. NaN where one of them is constant."""
    known = np.isfinite(a) & np.isfinite(b)
    x, y = a[known].to_numpy(), b[known].to_numpy()
    if len(x) < 2 or x.std() == 0 or y.std() == 0:
        return float("nan")
    return float(np.corrcoef(x, y)[0, 1])


def in_words(table: pd.DataFrame, shown: int = 5) -> str:
    """One or two sentences on a table of `drivers`."""
    at = table.attrs
    found = table[table["fdr"] <= SIGNIFICANT]
    what = f"{at['second']} against {at['first']}"
    told = f"{what}: {len(found)} of {len(table)} features shift at a false discovery rate of {SIGNIFICANT:.0%}"
    parts = []
    for sign, word in ((1, "up"), (-1, "down")):
        own = found[np.sign(found["decoded_shift"]) == sign]["feature"].astype(str).head(shown)
        if len(own):
            parts.append(f"{word}: {', '.join(own)}")
    told += f" ({'; '.join(parts)})" if parts else ""
    by_mean = int((table["pseudobulk_fdr"] <= SIGNIFICANT).sum())
    told += f"; pseudobulk finds {by_mean}."
    if np.isfinite(at["correlation"]):
        told += f" Decoded and observed effects correlate at {at['correlation']:.2f}."
    else:
        told += " Decoded effects are all alike: they say nothing of the difference."
    if by_mean and not at["correlation"] > KNOWN:
        told += " The model generates little of the observed difference: read the observed shifts, or train it longer."
    return told
