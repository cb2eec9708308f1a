"""The embedding of a group on each of its cells: for tools that know cells only."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gde.embed import embed_data
from gde.models.base import Model
from gde.prepare.common.query import group_cells

if TYPE_CHECKING:
    import anndata


def embed_cells(
    model: Model,
    data: "anndata.AnnData | str | Path",
    groupby: str | list[str] | None = None,
    *,
    layer: str | None = None,
    use_raw: bool = False,
    totals: str | None = None,
    barcodes: Path | None = None,
) -> "anndata.AnnData":
    """Cells of raw data, in their order and under their names, each with the embedding of its group.

    obs : the columns of `groupby`, `set` (the group's name) and n_samples (its cells). obsm['X_gde'] (n, l) : the
    embedding; obsm['X_gde_se'] : its standard error. No expression: it stays in the file it came from, to which
    `adata.obsm["X_gde"] = cells.obsm["X_gde"]` adds the embedding. Errors as `gde.prepare.common.query.cell_store`.
    """
    import anndata

    options = {"layer": layer, "use_raw": use_raw, "barcodes": barcodes}
    table, code, names, _, cells = group_cells(model, data, groupby, **options)
    sets = embed_data(model, data, groupby, totals=totals, **options)[names]
    obs = table.assign(set=np.asarray(names, dtype=object)[code], n_samples=sets.obs["n_samples"].to_numpy()[code])
    obs.index = cells.astype(str)
    obsm = {"X_gde": np.asarray(sets.X)[code], "X_gde_se": np.asarray(sets.layers["se"])[code]}
    return anndata.AnnData(obs=obs, obsm=obsm, uns={"gde": {**sets.uns["gde"], "level": "cell"}})
