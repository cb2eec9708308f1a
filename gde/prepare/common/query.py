"""Raw data that are to be embedded by a trained model: cells and rows of tables, in the values it was trained on."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gde.errors import bad
from gde.features.matched import listed
from gde.features.moments import Moments
from gde.features.new_rows import transform_rows
from gde.features.seen import COUNTED
from gde.prepare.common.groups import RESERVED, as_text, name_groups
from gde.prepare.common.query_rows import TableRows, open_rows, totals_of
from gde.sets.store.set_store import SetStore
from gde.sets.store.writer import StoreWriter

if TYPE_CHECKING:
    import anndata

    from gde.models.base import Model

log = logging.getLogger(__name__)
FAR = 10.0  # standard deviations of training, and ratio of standard deviations, that another unit may explain


@contextmanager
def cell_store(
    model: "Model",
    data: "anndata.AnnData | str | Path",
    groupby: str | list[str] | None = None,
    *,
    layer: str | None = None,
    use_raw: bool = False,
    totals: str | None = None,
    barcodes: Path | None = None,
) -> Iterator[SetStore]:
    """The groups of an AnnData, of the path of an .h5ad or, for a model of a table, of a table, as
    `gde.embed.open_data`.

    barcodes : of Cell Ranger's output, the table with the columns.
    layer, use_raw : what is read; by default that which the model was trained on, where the data have it, else X.
    totals : column of obs with the total of each cell, for data that lack features of training which totals were of.
    Raises GdeError for missing columns, missing genes and values the preprocessing does not fit.
    """
    columns = columns_of(groupby)
    if totals is not None and model.features is not None and model.features.cfg["values"] not in COUNTED:
        found = f"{totals!r} with a model of values: {model.features.cfg['values']}"
        raise bad("--totals", found, "a model of counts", "leave it out: nothing is divided by totals")
    wanted = [*columns, *([totals] if totals else [])]
    with open_rows(model, data, wanted, layer=layer, use_raw=use_raw, barcodes=barcodes) as rows:
        table, code, names, first = grouped(rows, columns)
        groups = table.iloc[first].assign(group=names, split="test", size=np.bincount(code)).reset_index(drop=True)
        total = None if totals is None else totals_of(rows, totals)
        moments, start = Moments(model.dim), 0
        with TemporaryDirectory() as scratch:
            path = Path(scratch) / "sets"
            with StoreWriter(path, groups=groups, sample_shape=(model.dim,), seed=0) as writer:
                for x in transform_rows(model.features, rows, total):
                    writer.write(x, code[start : start + len(x)])
                    moments.add(x)
                    start += len(x)
                writer.finish({"kind": "query", "data": "user"})
            if model.features.cfg["values"] == "scaled":
                tell_far(model, moments, rows.where)
            yield SetStore.open(path, verify=False)  # written a moment ago, by this process


def tell_far(model: "Model", moments: Moments, where: str) -> None:
    """Say in the log which features lie so far from those of training that their unit may be another."""
    mean, scale = (v.double().cpu().numpy() for v in (model.x_mean, model.x_scale))
    ratio = moments.sd() / scale
    far = (np.abs(moments.mean - mean) > FAR * scale) | (ratio > FAR)
    if far.any():
        names = [name for name, f in zip(model.features.output_names, far, strict=True) if f]
        told = "%s: %d of %d features lie more than %g standard deviations from training, or spread so much more: %s"
        log.warning(told + "; are they in the same units?", where, len(names), len(far), FAR, listed(names))


def columns_of(groupby: str | list[str] | None) -> list[str]:
    """The columns that make a group. GdeError for a name that stores use themselves."""
    columns = [groupby] if isinstance(groupby, str) else list(groupby or [])
    if taken := [c for c in columns if c in RESERVED and columns != ["group"]]:
        raise bad("groupby", f"the column name {taken[0]!r}", f"none of {', '.join(RESERVED)}", "rename the column")
    return columns


def grouped(rows: Any, columns: Sequence[str]) -> tuple[pd.DataFrame, np.ndarray, list[str], np.ndarray]:
    """The columns of every row, the group number (n,) of each, the groups' names, and the first row of each group."""
    table, where, names = rows.columns(columns), f"{rows.where}: obs", rows.obs_names
    if isinstance(rows, TableRows):
        where, names = rows.where, None  # counted, as in training
    if not columns:
        columns, table = ["all"], pd.DataFrame({"all": np.full(len(rows.obs_names), "all", object)})
    return table, *name_groups(as_text(table, columns, where, names), columns, where)


def group_cells(
    model: "Model",
    data: "anndata.AnnData | str | Path",
    groupby: str | list[str] | None,
    *,
    layer: str | None,
    use_raw: bool,
    barcodes: Path | None = None,
) -> tuple[pd.DataFrame, np.ndarray, list[str], np.ndarray, np.ndarray]:
    """The columns `groupby` of every cell, the group number (n,) of each, the groups' names, the first cell of each
    group, and the cells' names. Errors as `cell_store`."""
    columns = columns_of(groupby)
    with open_rows(model, data, columns, layer=layer, use_raw=use_raw, barcodes=barcodes) as rows:
        return *grouped(rows, columns), np.asarray(rows.obs_names)
