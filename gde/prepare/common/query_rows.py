"""The rows of a user's file, read as those of training were: cells of an AnnData, or a table."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gde.errors import bad
from gde.prepare.common.counts import GeneMap, listed
from gde.readers.anndata import Cells, read_cells
from gde.readers.hdf5 import open_hdf5
from gde.readers.table import DELIMITERS, Table

if TYPE_CHECKING:
    import anndata

    from gde.models.base import Model

log = logging.getLogger(__name__)
ADD_UP = ("tenx", "perturb_seq")  # data sets in which genes of one name are added up
COARSE = 0.01  # of a standard deviation
PARQUET = (".parquet", ".pq")


class AddedUp:
    """`Cells` with genes of one name added up; used as they are."""

    def __init__(self, cells: Cells):
        self.cells, self.where, self.obs_names, self.columns = cells, cells.where, cells.obs_names, cells.columns
        self.var_names = list(dict.fromkeys(cells.var_names))
        self.into = GeneMap(cells.var_names, self.var_names)

    def chunks(self) -> Iterator[tuple[int, Any]]:
        """(first row, rows (n, genes)) as of `Cells.chunks`."""
        for start, x in self.cells.chunks():
            yield start, self.into(x)


class TableRows:
    """Rows of a table with the features of training; used as `Cells` are."""

    def __init__(self, path: Path, features: Sequence[str], columns: Sequence[str], *, transpose: bool):
        self.table = Table(path, columns, features, transpose=transpose)
        self.where, self.var_names, self.chunks = str(path), list(features), self.table.chunks
        self.frame = self.table.frame() if columns else pd.DataFrame(index=range(sum(len(x) for _, x in self.chunks())))
        self.obs_names = [str(i + 1) for i in range(len(self.frame))]

    def columns(self, names: Sequence[str]) -> pd.DataFrame:
        """The columns that were asked for when it was opened."""
        return self.frame[list(names)]


@contextmanager
def open_rows(
    model: "Model",
    data: "anndata.AnnData | str | Path",
    columns: Sequence[str],
    *,
    layer: str | None,
    use_raw: bool,
    barcodes: Path | None = None,
) -> Iterator[Any]:
    """The rows of an AnnData, of an .h5ad or of a file of the form that training took (`DataSet.ROWS`; for a model of a
    table a table); `columns` are all that will be asked for.

    Without `layer` and `use_raw` that which the model was trained on, where the data have it; `layer: X` is X itself.
    GdeError for a model without preprocessing, and what makes a file unreadable.
    """
    dataset = model.config.get("dataset", {})
    if model.features is None:
        made = f" (data of kind {dataset['kind']} are made, not read)" if "kind" in dataset else ""
        found = f"no preprocessing{made}"
        expected, remedy = "a model of cells or of a table", "use GDE.embed with a tensor (b, n, d)"
        raise bad("model", found, expected, remedy)
    from gde.config.datasets import DATASETS
    from gde.nets.registry import named

    values = model.features.cfg["values"]
    kind = DATASETS.get(dataset.get("kind"))
    if kind is not None and kind.ROWS:
        opened = named(kind.ROWS)(model, data, columns, layer=layer, use_raw=use_raw, barcodes=barcodes)
        with opened as rows:
            if rows is not None:
                yield rows
                return
    elif barcodes is not None:
        raise bad("--barcodes", f"a model of {dataset.get('kind')}", "one of Cell Ranger's output", "leave it out")
    if dataset.get("kind") == "table" and isinstance(data, str | Path) and is_table(Path(data)):
        if layer or use_raw:
            raise bad("--layer, --use-raw", f"{data}, a table", "an .h5ad", "leave them out")
        turned = dataset.get("transpose", False)
        yield TableRows(Path(data), model.features.names, columns, transpose=turned)
        return
    layer, use_raw = place_of(dataset, data, layer, use_raw)
    adds_up = dataset.get("kind") in ADD_UP
    with read_cells(data, layer=layer, use_raw=use_raw, values=values, unique=not adds_up) as cells:
        cells.whole = {*model.features.names, *(model.features.others or ())} <= set(cells.var_names)
        if dataset.get("kind") == "table":
            check_fine(model, cells.where)
        index = pd.Index(cells.var_names)
        if not adds_up or index.is_unique:
            yield cells
            return
        twice = list(dict.fromkeys(index[index.duplicated()]))
        log.warning("%s: genes of one name are added up, as in training: %s", cells.where, listed(twice))
        yield AddedUp(cells)


def check_fine(model: "Model", where: str) -> None:
    """GdeError for a feature whose numbers, in float32, have steps that its spread in training does not bear."""
    fitted = model.features.tensors
    if "centre" not in fitted:
        return
    step = np.spacing(np.abs(fitted["centre"]).astype(np.float32))
    if (coarse := step > COARSE * fitted["sd"]).any():
        i = int(coarse.argmax())
        found = f"{model.features.names[i]!r} in steps of {step[i]:g} (float32)"
        expected = f"steps well below its standard deviation in training, {fitted['sd'][i]:.3g}"
        raise bad(where, found, expected, "give a table (CSV, TSV, Parquet), whose numbers are read in full")


def is_table(path: Path) -> bool:
    """Whether a file's ending is one of tables."""
    kinds = [s.lower() for s in path.suffixes if s.lower() != ".gz"]
    return bool(kinds) and kinds[-1] in (*DELIMITERS, *PARQUET)


def place_of(dataset: dict[str, Any], data: Any, layer: str | None, use_raw: bool) -> tuple[str | None, bool]:
    """Which layer is read, None for X, and whether .raw is: the given one, else that of training, else X."""
    own, raw = dataset.get("layer"), bool(dataset.get("use_raw"))
    if layer == "X" and "X" not in layers_of(data)[0]:
        return None, False
    if layer is not None or use_raw or not (own or raw):
        return layer, use_raw
    layers, has_raw = layers_of(data)
    there = has_raw if raw else own in layers
    named = ".raw" if raw else f"layer {own!r}"
    if there:
        log.info("%s is read, as in training", named)
        return (None, True) if raw else (own, False)
    log.warning("no %s, which the model was trained on: X is read", named)
    return None, False


def layers_of(data: Any) -> tuple[list[str], bool]:
    """Names of the layers of an AnnData or of an .h5ad, and whether it has .raw."""
    if hasattr(data, "obs_names"):
        return list(data.layers), data.raw is not None
    with open_hdf5(Path(data)) as f:
        return list(f.get("layers", [])), "raw/X" in f or "raw.X" in f


def totals_of(rows: Any, name: str) -> np.ndarray:
    """A column of obs with the total of each cell (n,) float64. GdeError names the first that is no number above 0."""
    found = pd.to_numeric(pd.Series(rows.columns([name])[name]), errors="coerce").to_numpy(dtype=np.float64)
    wrong = ~(np.isfinite(found) & (found > 0))
    if wrong.any():
        row = int(wrong.argmax())
        where = f"{rows.where}: row {row} ({rows.obs_names[row]}), column {name}"
        value = rows.columns([name])[name].iloc[row]
        raise bad(where, repr(value), "a total above 0", "give a column of each cell's total of counts")
    return found
