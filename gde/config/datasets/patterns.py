"""Simulated DNA: sequences that repeat a k-mer."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from gde.config.base import refuse
from gde.config.datasets.base import SimulatedSequences
from gde.config.split import Split


class RepeatedWords(SimulatedSequences):
    """Simulated sequences that repeat a k-mer."""

    length: Annotated[int, Field(ge=8, le=100_000)] = Field(64, description="residues of a sequence")
    unit: Annotated[int, Field(ge=2, le=8)] = Field(4, description="residues of a k-mer, which a sequence repeats")
    substitutions: Annotated[float, Field(ge=0, lt=0.75)] = Field(
        0.1, description="probability that a residue is replaced by another one"
    )

    @model_validator(mode="after")
    def possible(self):
        if self.length < self.unit:
            refuse("length", self.length, f"at least unit = {self.unit}", "raise it")
        if self.split.by not in ("group", "sample"):
            refuse("split.by", self.split.by, "'group' or 'sample' for simulated patterns", "choose one of them")
        return self


class DnaMultinomial(RepeatedWords):
    """Three random k-mers: mixtures of them are multinomial distributions."""

    kind: Literal["dna_multinomial"] = Field(
        description="simulated sequences that repeat one of a few random k-mers; a group is a k-mer"
    )
    patterns: Annotated[int, Field(ge=3)] = Field(3, description="k-mers; with three the simplex is evaluated")
    size: Annotated[int, Field(ge=3)] = Field(30_000, description="sequences of each k-mer")
    split: Split = Field(Split(by="sample"), description="what is held out; by sample, since the k-mers are few")


class SyntheticDna(RepeatedWords):
    """Many random k-mers, of which some are held out."""

    kind: Literal["synthetic_dna"] = Field(
        description="simulated sequences that repeat one of many random k-mers; a group is a k-mer"
    )
    patterns: Annotated[int, Field(ge=3)] = Field(60, description="k-mers; with unit 4 there are 60 distinct ones")
    size: Annotated[int, Field(ge=3)] = Field(2000, description="sequences of each k-mer")
    split: Split = Field(Split(), description="what is held out; whole k-mers")
