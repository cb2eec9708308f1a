"""Cells as Cell Ranger writes them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from gde.config.base import Count, Names
from gde.config.datasets.base import COMPONENTS, Components, Vectors, least
from gde.config.datasets.tables import check_columns
from gde.config.split import OwnSplit
from gde.files.counts import table_rows
from gde.files.input_files import expand, tenx_files


class Tenx(Vectors):
    """Counts of Cell Ranger (10x Genomics), with a table that says which cell is of which group."""

    prepare: ClassVar = "gde.prepare.tenx:prepare"
    ROWS: ClassVar = "gde.prepare.tenx_query:open_rows"
    examine: ClassVar = "gde.prepare.tenx:examine"
    propose: ClassVar = "gde.prepare.tenx_proposal:propose"
    kind: Literal["tenx"] = Field(
        description="filtered_feature_bc_matrix.h5 of Cell Ranger, or its folder of MatrixMarket; groups by a table"
    )
    path: str = Field(min_length=1, description="the .h5 file or the folder, relative to the working directory")
    barcodes: str = Field(min_length=1, description="a CSV, TSV or Parquet file with one row per cell")
    barcode: str = Field("barcode", min_length=1, description="its column of barcodes, written as in the matrix")
    groupby: Names = Field(description="columns of the table that together name a group: one embedding each")
    labels: list[str] = Field([], description="further columns to keep; the first one is scored and coloured by")
    genes: Literal["symbol", "id"] = Field(
        "symbol", description="what genes are called; those of one symbol are added up, ids are never twice"
    )
    n_hvg: Count | None = Field(2000, description="highly variable genes kept; null = all")
    scale: bool = Field(True, description="centre and scale genes (clipped at 10), fitted on training samples")
    n_pcs: Components = Field("auto", description=COMPONENTS)
    min_size: Count = Field(3, description="groups with fewer samples are left out, and named")
    split: OwnSplit = Field(OwnSplit(), description="what is held out")

    @model_validator(mode="after")
    def possible(self):
        check_columns(self)
        return self

    @classmethod
    def input_files(cls, dataset: Mapping[str, Any]) -> dict[str, str]:
        files = tenx_files(Path(expand(dataset["path"])))
        own = {("path" if len(files) == 1 else f"path ({key})"): str(file) for key, file in files.items()}
        return own | {"barcodes": expand(dataset["barcodes"])}

    @classmethod
    def shape(cls, dataset: Mapping[str, Any]) -> tuple[int | None, int | None]:
        return table_rows(Path(expand(dataset["barcodes"]))), least(dataset["n_hvg"], dataset["n_pcs"])
