"""Data sets of proteins."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from gde.config.base import Count, Names, Section, Whole, refuse
from gde.config.sequence_data import SequenceSplit

LONGEST = 4096  # letters


class VirusSplit(SequenceSplit):
    """What is held out of the months before the last ones."""

    by: Literal["group", "sample"] = Field(
        "group", description="`group`: whole groups; `sample`: sequences of every group, for few groups"
    )


class Virus(Section):
    """Spike proteins of SARS-CoV-2 by country and month."""

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
    min_letters: Count = Field(1200, description="shorter proteins are left out")
    max_unknown: Annotated[float, Field(ge=0, le=1)] = Field(
        0.15, description="proteins with a larger share of unknown letters, X, are left out"
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
        if self.min_letters > self.length:
            refuse("min_letters", self.min_letters, f"at most length = {self.length}", "lower it")
        return self
