"""Regulatory sequences with a measured activity."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from gde.config.base import Count, Names, NonNegative, Section, Whole, refuse
from gde.config.datasets.base import ADAMW, BY_DATA, TokenSequences, Vectors
from gde.config.split import NearSplit, Split
from gde.files.counts import about_all, table_rows
from gde.files.input_files import condition_files, expand

ENCODER = {"kind": "dna_conv", "hidden": 32, "layers": 3, "kernel": 7, "pool": 4}
GENERATOR = {"kind": "hyenadna", "hidden": 64, "layers": 2, "subsample": 8}


class Gpra(TokenSequences):
    """Promoters with their expression, ranked into quantiles."""

    prepare: ClassVar = "gde.prepare.gpra:prepare"
    examine: ClassVar = "gde.prepare.gpra:examine"
    propose: ClassVar = "gde.prepare.gpra_proposal:propose"
    READER: ClassVar = "gde.prepare.gpra_query:promoter_store"
    evaluation: ClassVar = "expression"
    # as config/experiments/gpra_dna.yaml, laptop, but for the steps
    start: ClassVar = {
        "encoder": ENCODER,
        "generator": GENERATOR,
        "latent_dim": 64,
        "objective": {"kind": "classification", "label": "quantile", "weight": 0.1},
        "mixer": {"kind": "neighbours", "along": "quantile", "within": ["condition"], "k": 3},
        "training": {"n_sets": 8, "set_size": 100, "optimizer": ADAMW, **BY_DATA},
    }
    kind: Literal["gpra"] = Field(
        description="promoters and their expression, lines of `sequence<TAB>expression`; a group is a quantile of it"
    )
    files: Annotated[dict[str, str], Field(min_length=1)] = Field(
        description="condition: file, plain or gzip; the quantiles are of each condition by itself"
    )
    length: Annotated[int, Field(ge=1, le=4096)] = Field(128, description="residues that a promoter has at most")
    too_long: Literal["refuse", "drop"] = Field(
        "refuse", description="longer promoters: an error, or left out and counted"
    )
    quantiles: Annotated[int, Field(ge=4, le=256)] = Field(
        100, description="quantiles of expression; promoters that tie are ordered by the split's seed"
    )
    top: Whole = Field(5, description="highest quantiles that are held out whole, whatever the split")
    min_size: Count = Field(1, description="groups of fewer promoters are left out, and counted")
    split: NearSplit = Field(
        NearSplit(), description="what is held out below: sequences, the same ones in every condition"
    )

    @model_validator(mode="after")
    def possible(self):
        if self.top > self.quantiles - 3:
            refuse("top", self.top, f"at most quantiles - 3 = {self.quantiles - 3}", "lower it")
        for condition, file in self.files.items():
            if not condition or "|" in condition or not file:
                refuse("files", f"{condition}: {file}", "a name without '|', and a file", "rename the condition")
        return self

    @classmethod
    def input_files(cls, dataset: Mapping[str, Any]) -> dict[str, str]:
        return {f"files.{condition}": file for condition, file in condition_files(dataset).items()}

    @classmethod
    def group_columns(cls, dataset: Mapping[str, Any]) -> list[str]:
        return ["quantile"]

    @classmethod
    def shape(cls, dataset: Mapping[str, Any]) -> tuple[int | None, int | None]:
        return about_all(map(Path, condition_files(dataset).values())), dataset["length"]


class ElementColumns(Section):
    """Columns of a table of elements."""

    name: str = Field("seq_id", min_length=1, description="the element's name, with the suffix of its orientation")
    sequence: str = Field("seq", min_length=1, description="its sequence")
    activity: str = Field("mean_value", min_length=1, description="its measured activity, e.g. log2 RNA / DNA")


class MpraBins(TokenSequences):
    """Regulatory elements in bins of their measured activity."""

    prepare: ClassVar = "gde.prepare.mpra_bins:prepare"
    examine: ClassVar = "gde.prepare.mpra_bins:examine"
    whole: ClassVar = True
    propose: ClassVar = "gde.prepare.mpra_bins_proposal:propose"
    READER: ClassVar = "gde.prepare.mpra_bins_query:element_store"
    evaluation: ClassVar = "expression"
    # as config/experiments/mpra_bins.yaml, laptop, but for the steps
    start: ClassVar = {
        "encoder": ENCODER,
        "generator": GENERATOR,
        "latent_dim": 64,
        "mixer": {"kind": "neighbours", "along": "bin", "k": 3},
        "training": {"n_sets": 4, "set_size": 100, "optimizer": ADAMW, **BY_DATA},
    }
    kind: Literal["mpra_bins"] = Field(
        description="elements of a reporter assay with their activity, from a table; a group is a bin of activity"
    )
    path: str = Field(min_length=1, description="CSV, TSV or Parquet with one row per element")
    columns: ElementColumns = Field(ElementColumns(), description="what the columns are called")
    length: Annotated[int, Field(ge=1, le=4096)] = Field(230, description="residues that an element has at most")
    bins: Annotated[int, Field(ge=3, le=256)] = Field(20, description="bins of activity, of equally many elements")
    orientations: list[str] = Field(
        ["_F", "_Reversed:"],
        description="suffixes of names: those of one element, and of its reverse complement, which share a split",
    )
    min_size: Count = Field(1, description="bins of fewer elements in a split are left out, and counted")
    split: NearSplit = Field(NearSplit(), description="what is held out: elements, in both orientations")

    @classmethod
    def group_columns(cls, dataset: Mapping[str, Any]) -> list[str]:
        return ["bin"]

    @classmethod
    def shape(cls, dataset: Mapping[str, Any]) -> tuple[int | None, int | None]:
        return table_rows(Path(expand(dataset["path"]))), dataset["length"]


class BarcodeColumns(Section):
    """Columns of a table of barcode counts."""

    barcode: str = Field("barcode", min_length=1, description="the barcode")
    oligo: str = Field("oligo_name", min_length=1, description="the element that it reports on: the group")
    dna: Names = Field(["dna_count_1", "dna_count_2", "dna_count_3"], description="DNA counts of each replicate")
    rna: Names = Field(["rna_count_1", "rna_count_2", "rna_count_3"], description="RNA counts of each replicate")


class MpraBarcodes(Vectors):
    """Barcodes of reporter elements, as numbers."""

    prepare: ClassVar = "gde.prepare.mpra_barcodes:prepare"
    examine: ClassVar = "gde.prepare.mpra_barcodes:examine"
    whole: ClassVar = True
    propose: ClassVar = "gde.prepare.mpra_barcodes_proposal:propose"
    ROWS: ClassVar = "gde.prepare.mpra_barcodes_query:open_rows"
    kind: Literal["mpra_barcodes"] = Field(
        description="barcode counts of a reporter assay; a group is an element, a sample a barcode's log2 RNA / DNA"
    )
    path: str = Field(min_length=1, description="CSV, TSV or Parquet with one row per barcode; empty = not seen")
    columns: BarcodeColumns = Field(BarcodeColumns(), description="what the columns are called")
    replicates: Literal["apart", "together"] = Field(
        "apart",
        description="apart: a sample for each barcode and replicate; together: a sample has all replicates, and "
        "barcodes that are missing in one are left out",
    )
    pseudocount: NonNegative = Field(0.5, description="added to the counts of RNA and of DNA")
    min_dna: Count = Field(1, description="fewer DNA counts in a replicate are taken as not seen")
    scale: bool = Field(True, description="centre and scale, fitted on training samples")
    min_size: Count = Field(20, description="elements of fewer samples are left out, and counted")
    split: Split = Field(Split(), description="what is held out; by group, which is an element")

    @model_validator(mode="after")
    def possible(self):
        if self.split.by not in ("group", "sample"):
            refuse("split.by", self.split.by, "'group' or 'sample'", "choose one of them")
        return self

    @classmethod
    def group_columns(cls, dataset: Mapping[str, Any]) -> list[str]:
        return ["oligo"]

    @classmethod
    def shape(cls, dataset: Mapping[str, Any]) -> tuple[int | None, int | None]:
        rows, replicates = table_rows(Path(expand(dataset["path"]))), len(dataset["columns"]["dna"])
        apart = dataset["replicates"] == "apart"
        return (rows and rows * replicates if apart else rows), 1 if apart else replicates
