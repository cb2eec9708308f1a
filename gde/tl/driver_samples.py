"""Contributions: how much each sample pulls the embeddings of two groups apart, and which kinds of samples do."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from gde.embed import default_rows, encode_sets
from gde.errors import bad
from gde.influence import influence
from gde.models.base import Model
from gde.tl.sides import Sides, read_sides

if TYPE_CHECKING:
    import anndata

COLUMN = "gde_contribution"
NORMAL = 1.96


def contributions(
    data: "anndata.AnnData | str | Path",
    first: str,
    second: str,
    groupby: str | Sequence[str] | None = None,
    by: str | None = None,
    *,
    model: Model,
    over: str | Sequence[str] = (),
    split: str | None = "test",
    **options: Any,
) -> pd.DataFrame:
    """How much each sample of two groups, or of the donors of two levels, pulls their embeddings apart.

    With the influence phi of samples at the distribution of both sides together (`gde.influence`; each side, and with
    `by` each donor in it, of one weight), the difference of the embeddings is to first order the weighted mean of phi
    over the second side minus that over the first. A sample's contribution is its term of that sum along the
    difference: positive where it pulls them apart. The sum of all is the distance, to first order (attrs
    `first_order`); samples that both sides have alike cancel.

    data and the other arguments as `gde.tl.drivers`.   over : columns to carry along, by which `carriers` sums.
    returns a row per sample: `row` (in the data), `side` (the name of its group or level), `unit`, columns of `over`,
    `weight`, `gde_contribution` (latent units; of sequences also `sequence`). Writes obs['gde_contribution'] of an
    AnnData, NaN for samples of neither side. GdeError for an encoder of medians, else as `gde.tl.drivers`.
    """
    names = [over] if isinstance(over, str) else list(over)
    sides = read_sides(model, data, first, second, groupby, by, names, split=split, **options)
    table = sample_table(model, sides)
    if hasattr(data, "obs"):
        values = np.full(sides.whole, np.nan)
        values[table["row"].to_numpy()] = table[COLUMN].to_numpy()
        data.obs[COLUMN] = values
    return table


@torch.no_grad()
def sample_table(model: Model, sides: Sides) -> pd.DataFrame:
    """The table of `contributions` of sides that were read."""
    own = np.ones(len(sides.x)) if sides.weight is None else sides.weight
    total = np.bincount(sides.unit, own, minlength=len(sides.units))
    per_side = np.bincount(sides.side, minlength=2)
    weight = own / total[sides.unit] / per_side[sides.side[sides.unit]]  # each side sums to 1
    order = np.random.default_rng(0).permutation(len(weight))  # the reference of `influence` takes every so manieth
    with model.encoder.unchanging():
        z = encode_sets(model, (sides.of(u) for u in range(len(sides.units))), default_rows(model)).astype(np.float64)
        phi = np.empty((len(weight), z.shape[1]))
        phi[order] = influence(model, sides.x[order], weight[order])
    difference = z[sides.side == 1].mean(0) - z[sides.side == 0].mean(0)
    distance = float(np.linalg.norm(difference))
    if not distance > 0:
        raise bad("embeddings", "two that are the same", "two that differ", "name other groups")
    sign = np.where(sides.side[sides.unit] == 1, 1.0, -1.0)
    pull = phi @ difference / distance
    centre = weight @ pull / 2  # of both sides together; 0 but for what the reference leaves out
    value = sign * weight * (pull - centre)
    table = pd.DataFrame({"row": sides.row, "side": np.array(sides.names, object)[sides.side[sides.unit]]})
    table["unit"] = np.array(sides.units, object)[sides.unit]
    table = pd.concat([table, sides.columns], axis=1)
    if model.alphabet is not None:
        table["sequence"] = model.alphabet.decode(sides.x)
    table = table.assign(weight=weight, **{COLUMN: value})
    table.attrs = {"first": sides.names[0], "second": sides.names[1], "by": sides.by, "distance": distance}
    table.attrs |= {"first_order": float(value.sum()), "run": model.config.get("run", "")}
    return table


def carriers(samples: pd.DataFrame, column: str) -> pd.DataFrame:
    """Which values of a column carry the difference: sums of the contributions of their samples.

    samples : the table of `contributions`, with that column.   returns a row per value, the largest share first:
    n_first, n_second (samples), fraction_first, fraction_second (of the weight of each side), contribution (latent
    units), share (of the sum of all; negative where these samples bring the embeddings nearer), lower, upper its 95 %
    interval over samples, with `by` over donors, at the given direction of the difference.
    """
    if column not in samples:
        known = ", ".join(c for c in samples if c not in ("row", "weight", COLUMN))
        raise bad(f"column {column!r}", "no such column", f"one of {known}", "name it in `over`")
    total, rows = float(samples[COLUMN].sum()), []
    second = (samples["side"] == samples.attrs["second"]).to_numpy()
    unit = samples["unit"].to_numpy() if samples.attrs["by"] else None
    values = samples[COLUMN].to_numpy()
    for level, own in samples.groupby(samples[column].astype(str).to_numpy(), sort=True).indices.items():
        inside = np.zeros(len(samples), bool)
        inside[own] = True
        variance = sum(_variance(np.where(inside, values, 0.0)[s], None if unit is None else unit[s])
                       for s in (second, ~second))  # fmt: skip
        row = {column: level}
        for name, s in (("first", ~second), ("second", second)):
            row |= {f"n_{name}": int((inside & s).sum())}
            row |= {f"fraction_{name}": float(samples["weight"].to_numpy()[inside & s].sum())}
        half = NORMAL * np.sqrt(variance)
        row["contribution"] = float(values[inside].sum())
        row |= {k: (row["contribution"] + h) / total for k, h in (("share", 0), ("lower", -half), ("upper", half))}
        rows.append(row)
    return pd.DataFrame(rows).sort_values("share", ascending=False, ignore_index=True)


def _variance(values: np.ndarray, unit: np.ndarray | None) -> float:
    """Of the sum of the terms (n,) of one side, from independent samples or units."""
    if unit is not None:
        values = pd.Series(values).groupby(unit).sum().to_numpy()
    n = len(values)
    return float(n * values.var(ddof=1)) if n > 1 else float("nan")
