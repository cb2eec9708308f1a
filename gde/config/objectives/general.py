"""Objectives for any samples."""

from typing import ClassVar, Literal

from pydantic import Field

from gde.config.base import Count, NonNegative, Whole
from gde.config.datasets.base import DataSet
from gde.config.objectives.base import ISOMETRY, ObjectiveKind


class Reconstruction(ObjectiveKind):
    of: ClassVar = (DataSet,)
    kind: Literal["reconstruction"] = Field(description="the generator's own loss")
    isometry: NonNegative = Field(0.0, description=ISOMETRY)
    context: Whole = Field(
        0,
        description="k > 0: the encoder sees k samples up to half of the set, the generator learns the other half: "
        "prediction from few samples; 0 = it learns what was encoded, as published",
    )


class Classification(ObjectiveKind):
    kind: Literal["classification"] = Field(
        description="reconstruction + cross-entropy of the groups' labels, predicted from the embedding"
    )
    label: str = Field(min_length=1, description="column of the groups; a mixture's label is the share of each class")
    weight: NonNegative = Field(1.0, description="weight of the cross-entropy (nats)")
    isometry: NonNegative = Field(0.0, description=ISOMETRY)


class Ordered(ObjectiveKind):
    mixes: ClassVar = False
    kind: Literal["ordered"] = Field(
        description="reconstruction + error of the step to the next group's embedding, predicted from the embedding"
    )
    order_by: str = Field(min_length=1, description="numeric column: a group is followed by those of the next value")
    within: list[str] = Field([], description="columns whose values a group and the one that follows share")
    condition: str | None = Field(None, description="column that the step may depend on besides the embedding")
    hidden: Count = Field(64, description="width of the head that predicts the step")
    weight: NonNegative = Field(0.1, description="weight of the squared error of the step, mean over latent dimensions")
    isometry: NonNegative = Field(0.0, description=ISOMETRY)
