"""Which groups differ: tests with samples as units, or with groups (donors) as units."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from gde.embed import embed_data, open_data
from gde.errors import bad
from gde.models.base import Model
from gde.tl.comparison import compare_samples
from gde.tl.levels import compare_levels

if TYPE_CHECKING:
    import anndata

SLOT = "gde_compare_groups"
LEVEL = 0.05
NAMED = 3  # pairs in a sentence
ONLY_SAMPLES = ("at_most", "exact", "names")


def compare_groups(
    data: "anndata.AnnData | str | Path",
    groupby: str | Sequence[str] | None = None,
    by: str | None = None,
    *,
    model: Model | None = None,
    within: str | None = None,
    reference: str | None = None,
    permutations: int | None = None,
    seed: int = 0,
    **options: Any,
) -> pd.DataFrame:
    """Which groups differ. Two questions:

    - data : samples (an AnnData of cells, or a file that the `model` reads), groupby : columns that make a group.
      Without `by`: are the *samples* of two groups of one distribution? A row for each pair of groups
      (`gde.tl.comparison.compare_samples`; of which `at_most`, `exact` and `names`).
    - by : a column, constant inside each group, such as the disease of a donor. Do the *groups* of one level differ
      from those of another, more than groups of one level differ among each other? The donor is the unit, cells only
      tell how it is (`gde.tl.levels.compare_levels`; `within`). Here data may also be an AnnData of embeddings.

    Further options : how a file is read, as of `GDE.embed`. The p-values of the former are not valid for samples that
    trained the model.
    Writes the table to uns['gde_compare_groups'] of an AnnData and returns it; `in_words` says it in a sentence.
    """
    if by is None:
        if model is None:
            raise bad("compare_groups", "no model and no `by`", "one of them", "give model=, or by= of embeddings")
        of = {name: options.pop(name) for name in ONLY_SAMPLES if name in options}
        columns = [groupby] if isinstance(groupby, str) else groupby
        with open_data(model, data, columns and list(columns), **options) as store:
            table = compare_samples(model, store, reference=reference, permutations=permutations, seed=seed, **of)
        table.attrs["note"] = trained_with(model, data)
    else:
        embeddings = data if model is None else embed_units(model, data, groupby, by, within, **options)
        given = {} if permutations is None else {"permutations": permutations}
        table = compare_levels(embeddings, by, within=within, reference=reference, seed=seed, **given)
        if model is not None and (note := trained_on(model, by)):
            table.attrs["note"] = note
    if hasattr(data, "uns"):
        data.uns[SLOT] = table
    return table


def embed_units(
    model: Model,
    data: "anndata.AnnData | str | Path",
    groupby: str | Sequence[str] | None,
    by: str,
    within: str | None = None,
    **options: Any,
) -> "anndata.AnnData":
    """Embeddings of the groups of `groupby`, with the columns `by` and `within` in obs.

    GdeError for one of these that varies inside a group.
    """
    if not groupby:
        raise bad("groupby", "nothing", "the column of what is independent, such as the donor", "name it")
    unit = [groupby] if isinstance(groupby, str) else list(groupby)
    carried = [name for name in dict.fromkeys([by, within]) if name and name not in unit]
    if by in unit:
        raise bad("by", repr(by), f"a column other than {', '.join(unit)}", "name what the groups are compared by")
    embeddings = embed_data(model, data, [*unit, *carried], **options)
    names = embeddings.obs[unit].astype(str).agg("|".join, axis=1)
    if names.duplicated().any():
        name = names[names.duplicated()].iloc[0]
        rows = embeddings.obs[(names == name).to_numpy()]
        varies = next(c for c in carried if rows[c].nunique(dropna=False) > 1)
        values = ", ".join(sorted(rows[varies].astype(str).unique())[:3])
        remedy = f"add {varies} to the columns that make a group, or compare by another"
        raise bad(f"column {varies!r}", f"{values} inside {name!r}", "one value in each group", remedy)
    embeddings.obs.insert(0, "group", names) if "group" not in embeddings.obs else None
    embeddings.obs_names = names.to_numpy()
    return embeddings


def trained_on(model: Model, by: str) -> str:
    """What is to be said where a model was trained to tell the levels of a column apart, else nothing."""
    objective = model.config.get("objective", {})
    if by in (objective.get("label"), objective.get("order_by")):
        return f"the model was trained to tell {by} apart: p-values are valid only for groups that did not train it"
    return ""


def trained_with(model: Model, data: Any) -> str:
    """What is to be said where the data are the file that a model was trained on, else nothing."""
    own = model.config.get("dataset", {}).get("path")
    if not isinstance(data, str | Path) or not own or Path(own).resolve() != Path(data).resolve():
        return ""
    return (
        "most of these samples trained the model, so p-values may be too small: valid are those of held-out samples, "
        f"`gde compare-groups MODEL results/sets/{model.config.get('name', 'NAME')}`"
    )


def in_words(table: pd.DataFrame) -> str:
    """One sentence on a table of `compare_groups`."""
    level = f"a false discovery rate of {LEVEL:.0%}"
    found = table[table["fdr"] <= LEVEL]
    by = table.attrs.get("by")
    what = f"of levels of {by}" if by else "of groups"
    count = (
        f"Of {len(table)} pair{'s' * (len(table) != 1)} {what}, {len(found)} differ{'s' * (len(found) == 1)} at {level}"
    )
    parts = [count]
    if len(found):
        farthest = found.sort_values("effect", ascending=False).head(NAMED)
        named = [
            f"{r.first} and {r.second} (effect size {r.effect_size:.2g}, {_range(r, table)}, p = {r.p_value:.2g})"
            for r in farthest.itertuples()
        ]
        parts.append(("farthest apart: " if len(table) > 1 else "") + "; ".join(named))
    elif len(table):
        least = table.iloc[0]
        parts.append(f"the least p-value is {least.p_value:.2g} ({least['first']} and {least['second']})")
        if (limit := _least(table)) * len(table) > LEVEL:
            parts.append(f"with so few deals none can be below {limit:.2g}")
    return ". ".join([": ".join(parts[:2]), *parts[2:]]) + "."


def _range(row: Any, table: pd.DataFrame) -> str:
    """The interval of the effect size."""
    scale = row.effect_size / row.effect if row.effect > 0 else float("nan")
    return f"{row.effect_low * scale:.2g} to {row.effect_high * scale:.2g}"


def _least(table: pd.DataFrame) -> float:
    """The least p-value that the deals could give."""
    return float(table["least_p"].min()) if "least_p" in table else 1 / (table.attrs["permutations"] + 1)
