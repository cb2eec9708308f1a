"""Barcode counts of a new table for a trained model: log2 RNA / DNA of each barcode, as in training."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from gde.prepare.common.query_kind import columns_among, no_options
from gde.prepare.common.query_rows import is_table
from gde.prepare.mpra_barcodes import CHUNK, read_barcodes

if TYPE_CHECKING:
    import anndata

    from gde.models.base import Model


class BarcodeRows:
    """What barcodes show of their element's activity; used as `Cells` are."""

    def __init__(self, where: str, x: np.ndarray, names: list[str], oligo: np.ndarray):
        self.where, self.x, self.var_names = where, x, names
        self.frame, self.obs_names = pd.DataFrame({"oligo": oligo}), [str(i + 1) for i in range(len(x))]

    def columns(self, names: Sequence[str]) -> pd.DataFrame:
        """`oligo`, if it is asked for."""
        return self.frame[list(names)]

    def chunks(self) -> Iterator[tuple[int, np.ndarray]]:
        """(first row, values (n, d) float64)."""
        for start in range(0, len(self.x), CHUNK):
            yield start, self.x[start : start + CHUNK]


@contextmanager
def open_rows(
    model: "Model",
    data: "anndata.AnnData | str | Path",
    columns: Sequence[str],
    *,
    layer: str | None,
    use_raw: bool,
    barcodes: Path | None,
) -> Iterator[BarcodeRows | None]:
    """The barcodes of a table with the columns of training; None of an .h5ad. GdeError for other columns than `oligo`,
    and what training refuses of such a table."""
    if not isinstance(data, str | Path) or not is_table(path := Path(data)):
        yield None
        return
    no_options({"layer": layer, "use_raw": use_raw, "barcodes": barcodes}, f"{path}, a table of barcodes")
    columns_among(list(columns), ["oligo"], f"{path}, a table of barcodes")
    x, names, oligo, *_ = read_barcodes(path, model.config["dataset"])
    yield BarcodeRows(str(path), x, names, oligo)
