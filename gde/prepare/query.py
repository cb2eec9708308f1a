"""The groups of raw data that are to be embedded by a trained model."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from gde.errors import bad
from gde.prepare.cells import read_cells
from gde.prepare.groups import RESERVED, as_text, name_groups

if TYPE_CHECKING:
    import anndata

    from gde.model import GDE


def group_cells(
    model: "GDE",
    data: "anndata.AnnData | str | Path",
    groupby: str | list[str] | None,
    *,
    layer: str | None,
    use_raw: bool,
) -> tuple[pd.DataFrame, np.ndarray, list[str], np.ndarray, np.ndarray]:
    """The columns `groupby` of every cell, the group number (n,) of each, the groups' names, the first cell of each
    group, and the cells' names. Errors as `gde.embed.anndata_store`."""
    if model.features is None:
        raise bad("model", "no preprocessing", "a model trained on an h5ad", "use GDE.embed with a tensor (b, n, d)")
    columns = [groupby] if isinstance(groupby, str) else list(groupby or [])
    if taken := [c for c in columns if c in RESERVED and columns != ["group"]]:
        raise bad("groupby", f"the column name {taken[0]!r}", f"none of {', '.join(RESERVED)}", "rename the column")
    with read_cells(data, layer=layer, use_raw=use_raw, values=model.features.cfg["values"]) as cells:
        table, where, names = cells.columns(columns), f"{cells.where}: obs", cells.obs_names
    if not columns:
        columns, table = ["all"], pd.DataFrame({"all": np.full(len(names), "all", object)})
    code, groups, first = name_groups(as_text(table, columns, where, names), columns, where)
    return table, code, groups, first, np.asarray(names)
