"""The experiment that `gde init` writes for Cell Ranger's output and its table of cells."""

import os
from pathlib import Path

import h5py

from gde.errors import bad
from gde.files.sniffing import kind_of
from gde.prepare.common.grouping import guess_groupby
from gde.prepare.common.proposal import Given, Proposal, Setting
from gde.prepare.common.query_kind import no_options
from gde.readers.table import Table
from gde.readers.tenx import read_barcodes

MATRIX = ("matrix.mtx", "matrix.mtx.gz")
OWN = "barcode"  # the usual name of the column


def propose(given: Given) -> Proposal | None:
    """Settings for a matrix in HDF5 or its folder; None for others. GdeError without a table of cells, or for one that
    has not their barcodes or no column that groups them."""
    path = given.files[0]
    if not is_matrix(path):
        return None
    path = given.only()
    no_options(given.options(), "Cell Ranger's output", but=("groupby", "barcodes"))
    if given.barcodes is None:
        remedy = "give --barcodes TABLE: CSV, TSV or Parquet, a column of barcodes and columns that group cells"
        raise bad(path, "a matrix of cells without a table of them", "what says which cell is of which group", remedy)
    barcodes = set(read_barcodes(path))
    every = Table(given.barcodes, [], None)
    names = [*every.features, *every.left_out]
    frame = Table(given.barcodes, names, [], text_only=True).frame().astype(str)
    shared = {name: int(frame[name].isin(barcodes).sum()) for name in names}
    column = OWN if shared.get(OWN) else max(shared, key=shared.get)
    if not shared[column]:
        found = f"columns {', '.join(names)}, of which none has a barcode like {min(barcodes)!r}"
        raise bad(given.barcodes, found, "the barcodes of the matrix", "write them as Cell Ranger does")
    cells = frame[frame[column].isin(barcodes)]
    columns = {name: int(cells[name].nunique()) for name in names if name != column}
    for name in given.groupby or []:
        if name not in columns:
            raise bad("--groupby", repr(name), f"one of {', '.join(columns)}", "correct it")
    groupby = list(given.groupby or guess_groupby(columns, len(cells), given.barcodes, rows="columns"))
    return Proposal(
        f"{len(cells)} cells of {path.name}; a set is one {' x '.join(groupby)}",
        [
            Setting("path", str(path), f"{len(barcodes)} cells, of which the table has {len(cells)}"),
            Setting("barcodes", str(given.barcodes), "a row per cell"),
            Setting("barcode", column, "its column of barcodes"),
            Setting("groupby", groupby, f"in the table: {', '.join(f'{c} ({n})' for c, n in columns.items())}"),
            Setting("labels", ["condition"], "columns, constant within a group, to tell apart", asleep=True),
            Setting("n_hvg", 2000, "most variable genes kept, chosen on training cells; null = all"),
            Setting("n_pcs", "auto", "components: as many as hold in cells they are not fitted on; null = genes"),
            Setting("min_size", 3, "smaller groups are left out, and named"),
            Setting(
                "split", {"by": "auto"}, "whole groups, of 20 or more, else cells of each; or a column, e.g. donor"
            ),
        ],
    )


def is_matrix(path: Path) -> bool:
    """Whether a folder has a MatrixMarket file of Cell Ranger, or an HDF5 file its barcodes."""
    if os.path.isdir(path):
        return any(os.path.isfile(path / name) for name in MATRIX)
    if not os.path.isfile(path) or kind_of(path) != "an HDF5 file":
        return False
    with h5py.File(path) as f:
        return any(hasattr(f[name], "keys") and "barcodes" in f[name] for name in f)
