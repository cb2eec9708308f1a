"""Raw data that are to be embedded by a trained model: cells, in the values that it was trained on."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from gde.errors import bad
from gde.prepare.common.groups import RESERVED, as_text, name_groups
from gde.readers.anndata import read_cells
from gde.sets.store.set_store import SetStore
from gde.sets.store.writer import StoreWriter

if TYPE_CHECKING:
    import anndata

    from gde.models.base import Model


@contextmanager
def cell_store(
    model: "Model",
    data: "anndata.AnnData | str | Path",
    groupby: str | list[str] | None = None,
    *,
    layer: str | None = None,
    use_raw: bool = False,
) -> Iterator[SetStore]:
    """The groups of an AnnData, or of the path of an .h5ad, as `gde.embed.open_data`.

    Raises GdeError for missing columns, missing genes and values the preprocessing does not fit.
    """
    source = {"layer": layer, "use_raw": use_raw}
    table, code, groups, first, _ = group_cells(model, data, groupby, **source)
    groups = table.iloc[first].assign(group=groups, split="test", size=np.bincount(code)).reset_index(drop=True)
    with TemporaryDirectory() as scratch:
        path, start = Path(scratch) / "sets", 0
        with StoreWriter(path, groups=groups, sample_shape=(model.dim,), seed=0) as writer:
            for rows in model.features.transform_h5ad(data, **source):
                writer.write(rows, code[start : start + len(rows)])
                start += len(rows)
            writer.finish({"kind": "query", "data": "user"})
        yield SetStore.open(path, verify=False)  # written a moment ago, by this process


def group_cells(
    model: "Model",
    data: "anndata.AnnData | str | Path",
    groupby: str | list[str] | None,
    *,
    layer: str | None,
    use_raw: bool,
) -> tuple[pd.DataFrame, np.ndarray, list[str], np.ndarray, np.ndarray]:
    """The columns `groupby` of every cell, the group number (n,) of each, the groups' names, the first cell of each
    group, and the cells' names. Errors as `cell_store`."""
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
