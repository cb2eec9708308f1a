"""The objective for perturbed samples and their controls."""

from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from gde.config.base import Count, NonNegative, refuse
from gde.config.datasets.base import Vectors
from gde.config.objectives.base import ISOMETRY, ObjectiveKind


class Perturbation(ObjectiveKind):
    of: ClassVar = (Vectors,)  # it predicts means, and sequences have none
    mixes: ClassVar = False
    kind: Literal["perturbation"] = Field(
        description="reconstruction + errors of the set mean, read off the embedding, and of its shift from a control, "
        "predicted from the control's embedding and the condition"
    )
    control: dict[str, Any] | None = Field(
        None,
        description="one `column: value`: the column names the condition, the value says which groups are controls; "
        "null = as the data set tells (`perturb_seq`)",
    )
    within: list[str] = Field([], description="columns whose values a group and its control share")
    rank: Count | Literal["auto"] = Field(
        "auto",
        description="numbers that describe a condition: the rank of its interaction with controls; auto = one for each "
        "four conditions that train, 64 at most",
    )
    conditions: Literal["learned", "vectors", "shuffled_vectors"] = Field(
        "learned",
        description="what those numbers are: learned for each condition; a map of the vectors that the data set came "
        "with, which also describes conditions never trained; or of each other's vectors, a control without skill",
    )
    mean_weight: NonNegative = Field(1.0, description="weight of the squared error of the set mean")
    shift_weight: NonNegative = Field(0.5, description="weight of the squared error of the mean shift")
    isometry: NonNegative = Field(0.0, description=ISOMETRY)

    @model_validator(mode="after")
    def possible(self):
        if self.control is None:
            return self
        if len(self.control) != 1:
            refuse("control", self.control, "one `column: value`", "name the column of conditions and its control")
        ((column, value),) = self.control.items()
        if not isinstance(value, str | int | float):
            refuse(f"control.{column}", value, "a text or a number", "give the value that controls have there")
        if column in self.within:
            refuse("within", self.within, f"columns other than {column!r}", "a group and its control differ in it")
        return self
