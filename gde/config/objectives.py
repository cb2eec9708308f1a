"""Options of every kind of objective."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from gde.config.base import Count, NonNegative, Section, Whole, refuse

ISOMETRY = "weight of (latent distance - W2)² on pairs of a batch; 0 = none"


class Reconstruction(Section):
    kind: Literal["reconstruction"] = Field(description="the generator's own loss")
    isometry: NonNegative = Field(0.0, description=ISOMETRY)
    context: Whole = Field(
        0,
        description="k > 0: the encoder sees k samples up to half of the set, the generator learns the other half: "
        "prediction from few samples; 0 = it learns what was encoded, as published",
    )


class Classification(Section):
    kind: Literal["classification"] = Field(
        description="reconstruction + cross-entropy of the groups' labels, predicted from the embedding"
    )
    label: str = Field(min_length=1, description="column of the groups; a mixture's label is the share of each class")
    weight: NonNegative = Field(1.0, description="weight of the cross-entropy (nats)")
    isometry: NonNegative = Field(0.0, description=ISOMETRY)


class Ordered(Section):
    kind: Literal["ordered"] = Field(
        description="reconstruction + error of the step to the next group's embedding, predicted from the embedding"
    )
    order_by: str = Field(min_length=1, description="numeric column: a group is followed by those of the next value")
    within: list[str] = Field([], description="columns whose values a group and the one that follows share")
    condition: str | None = Field(None, description="column that the step may depend on besides the embedding")
    hidden: Count = Field(64, description="width of the head that predicts the step")
    weight: NonNegative = Field(0.1, description="weight of the squared error of the step, mean over latent dimensions")
    isometry: NonNegative = Field(0.0, description=ISOMETRY)


class Perturbation(Section):
    kind: Literal["perturbation"] = Field(
        description="reconstruction + errors of the set mean, read off the embedding, and of its shift from a control, "
        "predicted from the control's embedding and the condition"
    )
    control: dict[str, Any] = Field(
        description="one `column: value`: the column names the condition, the value says which groups are controls"
    )
    within: list[str] = Field([], description="columns whose values a group and its control share")
    rank: Count = Field(16, description="numbers that describe a condition: the rank of its interaction with controls")
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
        if len(self.control) != 1:
            refuse("control", self.control, "one `column: value`", "name the column of conditions and its control")
        ((column, value),) = self.control.items()
        if not isinstance(value, str | int | float):
            refuse(f"control.{column}", value, "a text or a number", "give the value that controls have there")
        if column in self.within:
            refuse("within", self.within, f"columns other than {column!r}", "a group and its control differ in it")
        return self


Objective = Annotated[Reconstruction | Classification | Ordered | Perturbation, Field(discriminator="kind")]
