"""Cells of new output of Cell Ranger for a trained model: genes named and added up as in training."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gde.errors import bad
from gde.prepare.common.counts import GeneMap
from gde.prepare.common.query_kind import no_options
from gde.prepare.tenx import VALUES, genes_of, is_gene
from gde.readers.anndata import Cells
from gde.readers.hdf5 import open_hdf5
from gde.readers.table import Table
from gde.readers.tenx import read_tenx

if TYPE_CHECKING:
    import anndata

    from gde.models.base import Model


class TenxRows:
    """Cells with genes of one name added up, and columns of a table of barcodes; used as `Cells` are."""

    def __init__(self, cells: Cells, genes: GeneMap, names: list[str], frame: pd.DataFrame):
        self.cells, self.into, self.frame = cells, genes, frame
        self.where, self.obs_names, self.var_names = cells.where, cells.obs_names, names

    def columns(self, names: Sequence[str]) -> pd.DataFrame:
        """Columns of the table, in the order of the cells."""
        return self.frame[list(names)]

    def chunks(self) -> Iterator[tuple[int, Any]]:
        """(first row, rows (n, genes)) as of `Cells.chunks`."""
        for start, x in self.cells.chunks():
            yield start, self.into(x)


@contextmanager
def open_rows(
    model: "Model",
    data: "anndata.AnnData | str | Path",
    columns: Sequence[str],
    *,
    layer: str | None,
    use_raw: bool,
    barcodes: Path | None,
) -> Iterator[TenxRows | None]:
    """The cells of a filtered_feature_bc_matrix.h5 or of its folder; None of another file, e.g. an .h5ad.

    barcodes : a table with the `columns` and, in that of training, the barcode of each cell. GdeError for columns
    without a table, and cells that it lacks.
    """
    cfg = model.config["dataset"]
    if not isinstance(data, str | Path) or not is_matrix(path := Path(data)):
        if barcodes is not None:
            expected = "output of Cell Ranger: an .h5ad has its columns in obs"
            raise bad("--barcodes", "cells with columns of their own", expected, "leave it out")
        yield None
        return
    no_options({"layer": layer, "use_raw": use_raw}, f"{path}, output of Cell Ranger")
    if columns and barcodes is None:
        found = f"{path}, which says nothing of {', '.join(columns)}"
        remedy = "give --barcodes TABLE with the barcode of each cell, or --groupby without a name to embed all as one"
        raise bad("--groupby", found, "columns of a table of barcodes", remedy)
    with TemporaryDirectory() as scratch, read_tenx(path, Path(scratch)) as tenx:
        genes, joined, _ = genes_of(tenx, cfg["genes"])
        cells = Cells(tenx.where, tenx.matrix, tenx.barcodes, genes, None, VALUES, unique=False)
        into = GeneMap([g if kept else "" for g, kept in zip(genes, is_gene(tenx), strict=True)], joined)
        yield TenxRows(cells, into, joined, table_of(barcodes, cfg["barcode"], columns, cells))


def is_matrix(path: Path) -> bool:
    """Whether this is a folder, or Cell Ranger's .h5 matrix and no AnnData."""
    if path.is_dir():
        return path.suffix != ".zarr"
    if path.suffix.lower() not in (".h5", ".hdf5"):
        return False
    with open_hdf5(path) as f:
        return "obs" not in f


def table_of(file: Path | None, column: str, columns: Sequence[str], cells: Cells) -> pd.DataFrame:
    """Columns of a table in the order of the cells. GdeError for a barcode twice, and the first cell without a row."""
    if file is None:
        return pd.DataFrame(index=range(len(cells)))
    table = Table(Path(file), list(dict.fromkeys([column, *columns])), [], text_only=True).frame().astype(str)
    index = pd.Index(table[column])
    if not index.is_unique:
        twice = index[index.duplicated()][0]
        raise bad(f"{file}: column {column}", f"the barcode {twice!r} twice", "each barcode once", "take one out")
    at = index.get_indexer(cells.obs_names)
    if (at < 0).any():
        lost = cells.obs_names[int(np.argmax(at < 0))]
        found = f"no row for {int((at < 0).sum())} of {len(at)} cells, such as {lost}"
        raise bad(f"{file}: column {column}", found, "a row for every cell", "add them, or take the cells out")
    return table.iloc[at].reset_index(drop=True)
