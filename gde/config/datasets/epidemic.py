"""Spike proteins by country and month."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from gde.config.base import Count, Names, Whole, refuse
from gde.config.datasets.base import ADAMW, BY_DATA, TokenSequences
from gde.config.split import SequenceSplit
from gde.files.counts import about
from gde.files.input_files import virus_files

LONGEST = 4096  # residues


class VirusSplit(SequenceSplit):
    """What is held out of the months before the last ones."""

    by: Literal["group", "sample"] = Field(
        "group", description="`group`: whole groups; `sample`: sequences of every group, for few groups"
    )


class Virus(TokenSequences):
    """Spike proteins of SARS-CoV-2 by country and month."""

    prepare: ClassVar = "gde.prepare.virus:prepare"
    examine: ClassVar = "gde.prepare.virus:examine"
    propose: ClassVar = "gde.prepare.virus_proposal:propose"
    sample_type: ClassVar = "protein"
    evaluation: ClassVar = "epidemic"
    # as config/experiments/virus.yaml, laptop, but for the steps
    start: ClassVar = {
        "encoder": {"kind": "dna_conv", "hidden": 16, "layers": 1, "kernel": 5, "pool": 4, "readout": "positions"},
        "generator": {"kind": "gpt", "hidden": 64, "layers": 2, "conditioning": "adaln", "sites": 16, "subsample": 1},
        "latent_dim": 64,
        "mixer": {"kind": "dirichlet_k", "k": 2, "alpha": 1.0},
        "training": {
            "n_sets": 8,
            "set_size": 16,
            "optimizer": ADAMW | {"lr": 2e-3},
            **BY_DATA,
        },
    }
    kind: Literal["virus"] = Field(description="spike proteins of SARS-CoV-2; a group is a country in a month")
    source: Literal["nextstrain", "gisaid"] = Field(
        "nextstrain",
        description="layout: `nextstrain`: aligned genomes, translated here, and a table; `gisaid`: spikeprot*.fasta",
    )
    sequences: str | None = Field(
        None,
        min_length=1,
        description="FASTA file, plain, .gz, .xz or .zst; null = the one in resources/, of Nextstrain downloaded, of "
        "GISAID to be put there by you",
    )
    metadata: str | None = Field(
        None,
        min_length=1,
        description="nextstrain: table (TSV, also packed) with the columns strain, date, country; null = the one in "
        "resources/",
    )
    hosts: Names | None = Field(None, description="hosts that are kept, e.g. [Human]; null = all")
    groupby: Names = Field(
        ["country", "month"], description="[country, month], or [month] where each country has too few sequences"
    )
    length: Annotated[int, Field(ge=1, le=LONGEST)] = Field(1280, description="longer proteins are left out")
    min_characters: Count = Field(1200, description="shorter proteins are left out")
    max_unknown: Annotated[float, Field(ge=0, le=1)] = Field(
        0.15, description="proteins with a larger share of unknown residues, X, are left out"
    )
    min_size: Count = Field(16, description="groups with fewer sequences are left out, and named")
    last_months: Whole = Field(
        0, description="last months, of those that groups have, that are held out whole; 0 = none"
    )
    split: VirusSplit = Field(VirusSplit(), description="what is held out of the months before; whole groups")

    @model_validator(mode="after")
    def possible(self):
        if self.groupby not in (["country", "month"], ["month"]):
            refuse("groupby", self.groupby, "[country, month] or [month]", "choose one of them")
        if self.source == "gisaid" and self.metadata is not None:
            refuse("metadata", self.metadata, "null with source: gisaid, whose headers tell all", "remove it")
        if self.min_characters > self.length:
            refuse("min_characters", self.min_characters, f"at most length = {self.length}", "lower it")
        return self

    @classmethod
    def input_files(cls, dataset: Mapping[str, Any]) -> dict[str, str]:
        return virus_files(dataset)

    @classmethod
    def shape(cls, dataset: Mapping[str, Any]) -> tuple[int | None, int | None]:
        path = Path(virus_files(dataset)["sequences"])
        return None if path.suffix in (".xz", ".zst") else about(path, b">"), dataset["length"]
