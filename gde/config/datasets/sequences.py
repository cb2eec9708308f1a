"""A user's sequences."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from gde.config.base import Count, Names, check_idle, refuse
from gde.config.datasets.base import TokenSequences
from gde.config.split import IDENTITY, NEAR, Identity, OwnSplit, check_identity
from gde.files.counts import about, table_rows
from gde.files.input_files import expand


class SequencesSplit(OwnSplit):
    """What is held out of a user's sequences."""

    identity: Identity = Field(NEAR, description=f"by sequence: {IDENTITY}")

    @model_validator(mode="after")
    def by_sequence(self):
        check_identity(self)
        return self


class Sequences(TokenSequences):
    """A user's sequences."""

    prepare: ClassVar = "gde.prepare.sequences:prepare"
    examine: ClassVar = "gde.prepare.sequences:examine"
    kind: Literal["sequences"] = Field(description="sequences of a FASTA, FASTQ, CSV or TSV file, plain or gzip")
    path: str = Field(
        min_length=1, description="the file, relative to the working directory; its ending says the format"
    )
    alphabet: Literal["dna", "protein"] = Field(
        "dna",
        description="residues, in either case: `dna`: A, C, G, T and N; `protein`: the twenty amino acids and X, a "
        "stop (*) at the end is taken off",
    )
    fields: str | None = Field(
        None,
        description="FASTA, FASTQ: what headers say: `key=value`, each behind a blank, `;` or `|`; or a pattern such "
        "as '{name} {sample}|{tissue}'. null = the name alone, their first word",
    )
    sequence: str = Field("sequence", min_length=1, description="CSV, TSV: column of the sequences")
    name: str | None = Field(None, description="column or field that names a sequence; FASTA: null = first word")
    groupby: Names = Field(description="columns or fields that together name a group: one embedding each")
    labels: list[str] = Field([], description="further columns or fields to keep; scored and coloured by the first")
    weight: str | None = Field(None, description="column or field: how many a sequence stands for; null = one")
    length: Count | None = Field(None, description="residues of a sequence at most; null = those of the longest")
    too_long: Literal["refuse", "cut", "drop"] = Field(
        "refuse", description="what becomes of longer sequences: an error, their beginning, or nothing; counted"
    )
    other_residues: Literal["refuse", "N", "X"] = Field(
        "refuse",
        description="residues that stand for several, such as R and Y of DNA, B and Z of proteins (and the rare J, U, "
        "O): an error, or N of DNA, X of proteins; counted",
    )
    repeated_names: Literal["refuse", "keep"] = Field(
        "refuse", description="a name that occurs twice: an error, which a file put together twice shows, or kept"
    )
    min_size: Count = Field(3, description="groups with fewer sequences are left out, and named")
    split: SequencesSplit = Field(
        SequencesSplit(),
        description="what is held out. by: sequence keeps near copies together",
    )

    @model_validator(mode="after")
    def possible(self):
        for key in ("groupby", "labels"):
            names = getattr(self, key)
            if twice := [name for name in names if names.count(name) > 1 or not name]:
                refuse(key, twice[0], "each column once, by its name", "take it out")
        unknown = {"dna": "N", "protein": "X"}[self.alphabet]
        if self.other_residues not in ("refuse", unknown):
            refuse("other_residues", self.other_residues, f"'refuse' or '{unknown}' of {self.alphabet}", "choose one")
        if not self.path.removesuffix(".gz").endswith((".csv", ".tsv")):
            check_idle(self, "sequence", "of files that are no table", "remove the key")
        if self.length is None and self.too_long != "refuse":
            refuse("too_long", self.too_long, "'refuse' without dataset.length", "set dataset.length too")
        if self.weight in (*self.groupby, *self.labels):
            refuse("weight", self.weight, "another column than those of groupby and labels", "take it out there")
        return self

    @classmethod
    def shape(cls, dataset: Mapping[str, Any]) -> tuple[int | None, int | None]:
        path = Path(expand(dataset["path"]))
        name = path.name.removesuffix(".gz").removesuffix(".bgz")
        if name.endswith((".csv", ".tsv", ".tab")):
            return table_rows(path), dataset["length"]
        lines = name.endswith((".fastq", ".fq"))
        found = about(path) if lines else about(path, b">")
        return found // 4 if lines and found is not None else found, dataset["length"]

    @classmethod
    def sample_type_of(cls, dataset: Mapping[str, Any]) -> str:
        return dataset.get("alphabet", cls.sample_type)
