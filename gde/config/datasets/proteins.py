"""Protein families, and simulated peptides."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from gde.config.base import refuse
from gde.config.datasets.base import ADAMW, SimulatedSequences, TokenSequences
from gde.config.split import IDENTITY, NEAR, Identity, SequenceSplit, Split, check_identity


class FamilySplit(SequenceSplit):
    """What is held out of protein families."""

    by: Literal["group", "sequence"] = Field(
        "group", description="`group`: whole families; `sequence`: sequences of every family, near copies together"
    )
    identity: Identity = Field(NEAR, description=f"by sequence: {IDENTITY}")

    @model_validator(mode="after")
    def by_sequence(self):
        check_identity(self)
        return self


class Pfam(TokenSequences):
    """Protein families."""

    prepare: ClassVar = "gde.prepare.pfam:prepare"
    examine: ClassVar = "gde.prepare.pfam:examine"
    sample_type: ClassVar = "protein"
    evaluation: ClassVar = "protein_families"
    # as config/experiments/pfam.yaml, laptop
    start: ClassVar = {
        "encoder": {"kind": "dna_conv", "hidden": 48, "layers": 2, "kernel": 7, "pool": 2},
        "generator": {"kind": "gpt", "hidden": 64, "layers": 2, "conditioning": "additive", "subsample": 2},
        "latent_dim": 128,
        "training": {
            "steps": 1500,
            "n_sets": 8,
            "set_size": 16,
            "optimizer": ADAMW,
            "scheduler": {"kind": "cosine", "warmup": 100},
        },
    }
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


class ProteinMotifs(SimulatedSequences):
    """Simulated peptides with a motif."""

    prepare: ClassVar = "gde.prepare.protein_motifs:prepare"
    sample_type: ClassVar = "protein"
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
