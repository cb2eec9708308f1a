"""A user's vectors: an AnnData file, or a table."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from gde.config.base import Count, Names, refuse
from gde.config.datasets.base import (
    COMPONENTS,
    VALUES,
    Components,
    Values,
    Vectors,
    check_path,
    check_values,
    fitting_values,
    least,
)
from gde.config.split import OwnSplit
from gde.files.counts import table_rows
from gde.files.input_files import expand


class H5ad(Vectors):
    """A user's AnnData file."""

    prepare: ClassVar = "gde.prepare.h5ad:prepare"
    examine: ClassVar = "gde.prepare.h5ad:examine"
    kind: Literal["h5ad"] = Field(description="an AnnData file (.h5ad)")
    path: str = Field(min_length=1, description="the file, relative to the working directory")
    groupby: Names = Field(description="columns of obs that together name a group: one embedding each")
    layer: str | None = Field(None, description="layer to read instead of X")
    use_raw: bool = Field(False, description="read .raw instead of X")
    values: Values | Literal["scaled"] = Field(
        "counts", description=f"{VALUES}, and so is scaled (any numbers, of which no variable genes are chosen)"
    )
    labels: list[str] = Field([], description="further columns of obs to keep; the first one is scored and coloured by")
    n_hvg: Count | None = Field(
        2000, description="highly variable genes kept; null = all, as where values are scaled and it is not given"
    )
    scale: bool = Field(True, description="centre and scale genes (clipped at 10), fitted on training samples")
    n_pcs: Components = Field("auto", description=COMPONENTS)
    min_size: Count = Field(3, description="groups with fewer samples are left out, and named")
    split: OwnSplit = Field(OwnSplit(), description="what is held out")

    @model_validator(mode="before")
    @classmethod
    def fitting(cls, data: Any) -> Any:
        return fitting_values(data)

    @model_validator(mode="after")
    def possible(self):
        check_path("path", self.path)
        if self.layer is not None and self.use_raw:
            refuse("use_raw", True, "false when a layer is given", "remove layer or use_raw")
        check_values(self)
        check_columns(self)
        return self

    @classmethod
    def shape(cls, dataset: Mapping[str, Any]) -> tuple[int | None, int | None]:
        return h5ad_shape(dataset)


class Table(Vectors):
    """A user's table."""

    prepare: ClassVar = "gde.prepare.table:prepare"
    examine: ClassVar = "gde.prepare.table:examine"
    kind: Literal["table"] = Field(description="a CSV, TSV or Parquet file with one row per sample")
    path: str = Field(min_length=1, description="the file, relative to the working directory")
    groupby: Names = Field(description="columns that together name a group: one embedding each")
    features: Names | None = Field(
        None,
        description="numeric columns; null = all but groupby, labels, split, the index of pandas and columns that "
        "count the rows",
    )
    labels: list[str] = Field([], description="further columns to keep; the first one is scored and coloured by")
    transpose: bool = Field(False, description="the file has samples in columns")
    scale: bool = Field(True, description="centre and scale features (clipped at 10), fitted on training samples")
    n_pcs: Components = Field(None, description=COMPONENTS)
    min_size: Count = Field(3, description="groups with fewer samples are left out, and named")
    split: OwnSplit = Field(OwnSplit(), description="what is held out")

    @model_validator(mode="after")
    def possible(self):
        check_columns(self)
        return self

    @classmethod
    def shape(cls, dataset: Mapping[str, Any]) -> tuple[int | None, int | None]:
        names, path = dataset["features"], Path(expand(dataset["path"]))
        rows = None if dataset["transpose"] else table_rows(path)
        columns = len(names) if names else numeric_columns(path, dataset)
        return rows, least(dataset["n_pcs"], columns)


def check_columns(section: H5ad | Table) -> None:
    for key in ("groupby", "labels", "features"):
        names = getattr(section, key, None) or []
        if twice := [name for name in names if names.count(name) > 1 or not name]:
            refuse(key, twice[0], "each column once, by its name", "take it out")


def numeric_columns(path: Path, dataset: Mapping[str, Any]) -> int | None:
    """Columns of a CSV or TSV that `features: null` takes, about; None of other files."""
    if dataset["transpose"] or path.suffix not in (".csv", ".tsv") or not path.is_file():
        return None
    with path.open("rb") as f:
        header = f.readline()
    known = {*dataset["groupby"], *dataset["labels"]}
    return max(1, header.count(b"\t" if path.suffix == ".tsv" else b",") + 1 - len(known))


def h5ad_shape(dataset: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Cells and features of a user's .h5ad; None for what a file that is not there, or that `prepare` will refuse, does
    not tell."""
    import h5py

    try:
        with h5py.File(expand(dataset["path"])) as f:
            tables = (f["obs"], f["raw/var"] if dataset["use_raw"] else f["var"])
            cells, genes = (len(t[t.attrs["_index"]]) for t in tables)
    except (OSError, KeyError, TypeError, AttributeError):
        cells = genes = None
    return cells, least(genes, dataset["n_hvg"], dataset["n_pcs"])
