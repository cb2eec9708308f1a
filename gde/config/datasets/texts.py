"""The abstracts of PubMed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from gde.config.base import Names, refuse
from gde.config.datasets.base import ADAMW, BY_DATA, PatternFiles, TokenSequences
from gde.config.split import SequenceSplit
from gde.files.counts import about_all
from gde.files.input_files import baseline_listing


class Pubmed(PatternFiles, TokenSequences):
    """Abstracts by what they are about."""

    prepare: ClassVar = "gde.prepare.pubmed:prepare"
    examine: ClassVar = "gde.prepare.pubmed:examine"
    propose: ClassVar = "gde.prepare.pubmed_proposal:propose"
    READER: ClassVar = "gde.prepare.pubmed_query:document_store"
    sample_type: ClassVar = "text"
    evaluation: ClassVar = "documents"
    # as config/experiments/pubmed.yaml, laptop, but for the steps
    start: ClassVar = {
        "encoder": {"kind": "dna_conv", "hidden": 64, "layers": 2, "kernel": 7, "pool": 4},
        "generator": {"kind": "gpt", "hidden": 64, "layers": 2, "subsample": 2, "temperature": 0.8},
        "latent_dim": 128,
        "training": {
            "n_sets": 6,
            "shards": 2,
            "set_size": 20,
            "optimizer": ADAMW,
            **BY_DATA,
        },
    }
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

    @classmethod
    def listing(cls, dataset: Mapping[str, Any]) -> Path | None:
        return baseline_listing(dataset)

    @classmethod
    def shape(cls, dataset: Mapping[str, Any]) -> tuple[int | None, int | None]:
        files = map(Path, cls.input_files(dataset).values())
        return about_all(files, b'MajorTopicYN="Y"') if dataset["files"] else None, dataset["length"]

    @classmethod
    def group_columns(cls, dataset: Mapping[str, Any]) -> list[str]:
        return ["term"]
