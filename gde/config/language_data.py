"""Data sets of proteins and of texts: protein families, simulated motifs, and the abstracts of PubMed."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from gde.config.base import Names, Section, refuse
from gde.config.sequence_data import SequenceSplit
from gde.config.split import Split


class FamilySplit(SequenceSplit):
    """What is held out of protein families."""

    by: Literal["group", "sequence"] = Field(
        "group", description="`group`: whole families; `sequence`: sequences of every family, equal ones together"
    )


class Pfam(Section):
    """Protein families."""

    kind: Literal["pfam"] = Field(
        description="protein families, Pfam-A.fasta.gz; a group is a family, a sample one of its domains"
    )
    path: str = Field(min_length=1, description="the file, headers as in `>NAME/START-END ACCESSION PF00001.1;Name;`")
    length: Annotated[int, Field(ge=1, le=4096)] = Field(256, description="residues that a domain has at most")
    too_long: Literal["refuse", "cut", "drop"] = Field(
        "cut", description="what becomes of longer domains: an error, their beginning, or nothing; counted"
    )
    min_size: Annotated[int, Field(ge=2)] = Field(32, description="families of fewer domains are left out, and counted")
    max_size: Annotated[int, Field(ge=2)] | None = Field(
        500, description="of larger families a random part of about as many; null = all of them"
    )
    families: Annotated[int, Field(ge=3)] | None = Field(
        None, description="families at most, a random part that the split's seed decides; null = all"
    )
    split: FamilySplit = Field(FamilySplit(), description="what is held out")

    @model_validator(mode="after")
    def possible(self):
        if self.max_size is not None and self.max_size < self.min_size:
            refuse("max_size", self.max_size, f"at least min_size = {self.min_size}", "raise it")
        return self


class ProteinMotifs(Section):
    """Simulated peptides with a motif."""

    kind: Literal["protein_motifs"] = Field(
        description="simulated peptides, random but for a motif somewhere in them; a group is a motif"
    )
    length: Annotated[int, Field(ge=2, le=100)] = Field(12, description="residues of a peptide")
    unit: Annotated[int, Field(ge=2, le=64)] = Field(6, description="residues of a motif")
    substitutions: Annotated[float, Field(ge=0, lt=0.95)] = Field(
        0.1, description="probability that a residue of the motif is replaced by another one"
    )
    patterns: Annotated[int, Field(ge=3)] = Field(3, description="motifs; with three the simplex is evaluated")
    size: Annotated[int, Field(ge=3)] = Field(30_000, description="peptides of each motif")
    split: Split = Field(Split(by="sample"), description="what is held out; by sample where the motifs are few")

    @model_validator(mode="after")
    def possible(self):
        if self.unit > self.length:
            refuse("unit", self.unit, f"at most length = {self.length}", "lower it")
        if self.split.by not in ("group", "sample"):
            refuse("split.by", self.split.by, "'group' or 'sample' for simulated motifs", "choose one of them")
        return self


class Pubmed(Section):
    """Abstracts by what they are about."""

    kind: Literal["pubmed"] = Field(
        description="titles and abstracts of PubMed's XML as UTF-8; a group is a major MeSH term, and a document of "
        "several terms is in the group of each"
    )
    baseline: Annotated[int, Field(ge=1)] | Literal["all"] = Field(
        8, description="files of the yearly baseline that are fetched, spread evenly over it; about 30 MB each"
    )
    files: Names | None = Field(
        None,
        description="files of your own, or patterns such as pubmed/*.xml.gz, instead; an .md5 beside one is checked",
    )
    length: Annotated[int, Field(ge=16, le=65_536)] = Field(2048, description="bytes that a document has at most")
    too_long: Literal["cut", "drop"] = Field(
        "cut", description="what becomes of longer documents: their beginning, or nothing; counted"
    )
    min_docs: Annotated[int, Field(ge=2)] = Field(50, description="terms of fewer documents are left out, and counted")
    max_docs: Annotated[int, Field(ge=2)] | None = Field(
        None, description="of commoner terms a random part of as many; null = all documents"
    )
    terms: Annotated[int, Field(ge=3)] | None = Field(
        None, description="terms at most, a random part that the split's seed decides; null = all"
    )
    split: SequenceSplit = Field(SequenceSplit(), description="what is held out: documents, the same in every term")

    @model_validator(mode="after")
    def possible(self):
        if self.max_docs is not None and self.max_docs < self.min_docs:
            refuse("max_docs", self.max_docs, f"at least min_docs = {self.min_docs}", "raise it")
        for file in self.files or ():
            if not file.endswith((".xml.gz", ".xml")):
                refuse("files", file, "names that end in .xml.gz or .xml", "correct it")
        if twice := [file for file in self.files or () if self.files.count(file) > 1]:
            refuse("files", twice[0], "each file once", "remove the second")
        return self
