"""Split: what is held out, in data sets whose samples come in groups."""

from typing import Annotated

from pydantic import Field, model_validator

from gde.config.base import Section, Whole, refuse


class Split(Section):
    """What is held out."""

    by: str = Field(
        "group",
        min_length=1,
        description="`group`: whole groups; `sample`: samples of every group (few groups); or a column whose values "
        "stay together (donor, clone: where the leak is)",
    )
    fractions: Annotated[list[Annotated[float, Field(ge=0, le=1)]], Field(min_length=3, max_length=3)] = Field(
        [0.7, 0.1, 0.2], description="train, validation, test"
    )
    seed: Whole = Field(0, description="seed of the split, apart from the training seed")

    @model_validator(mode="after")
    def possible(self):
        if abs(sum(self.fractions) - 1) > 1e-6:
            refuse("fractions", self.fractions, "three numbers that sum to 1", "adjust one of them")
        if self.fractions[0] == 0:
            refuse("fractions", self.fractions, "a training share above 0", "raise the first number")
        return self


class OwnSplit(Split):
    """What is held out of a user's file."""

    by: str = Field(
        "auto",
        min_length=1,
        description="`group`: whole groups; `sample`: samples of every group; `auto`: whole groups of 20 or more, else "
        "samples; or a column whose values stay together (donor, clone: where the leak is)",
    )


Identity = Annotated[float, Field(ge=0.5, le=1)] | None
NEAR = 0.9  # as gde.sets.near_copies
IDENTITY = (
    "sequences that agree at this share of their positions or more, of DNA on either strand, and those that such ones "
    "connect, share a split; "
    "null = only equal ones do"
)


class SequenceSplit(Section):
    """What is held out of sequences, apart from what a data set always holds out."""

    fractions: Annotated[list[Annotated[float, Field(gt=0, lt=1)]], Field(min_length=3, max_length=3)] = Field(
        [0.7, 0.1, 0.2], description="train, validation, test"
    )
    seed: Whole = Field(0, description="seed of the split, apart from the training seed")

    @model_validator(mode="after")
    def possible(self):
        if abs(sum(self.fractions) - 1) > 1e-6:
            refuse("fractions", self.fractions, "three numbers that sum to 1", "adjust one of them")
        return self


class NearSplit(SequenceSplit):
    """What is held out of sequences, near copies together."""

    identity: Identity = Field(NEAR, description=IDENTITY)


def check_identity(split: Section) -> None:
    """Refuse an `identity` of near copies where the split is not by sequence."""
    if split.by != "sequence" and split.identity != NEAR:
        refuse("identity", split.identity, f"no value with by: {split.by}", "set by: sequence, or take it out")
