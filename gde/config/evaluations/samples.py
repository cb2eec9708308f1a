"""The evaluation of any samples that are vectors."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from gde.config.base import Count
from gde.config.evaluations.base import BOOTSTRAP, EvaluationKind


class Samples(EvaluationKind):
    evaluate: ClassVar = "gde.evaluate.cells.samples:evaluate"
    metrics: ClassVar = (
        "labels/accuracy",
        "labels/silhouette",
        "reconstruction/energy",
        "reconstruction/mmd",
        "reconstruction/w2",
    )
    key: ClassVar = ("labels/accuracy", "labels/silhouette", "reconstruction/energy", "reconstruction/mmd")
    figures: ClassVar = ("embedding", "map", "distances", "labels", "reconstruction", "metrics", "loss")
    kind: Literal["samples"] = Field(description="real samples: encode some, generate, compare with others")
    bootstrap: Annotated[int, Field(ge=10)] = Field(200, description=BOOTSTRAP)
    cuts: Count = Field(16, description="random cuts of the held-out samples that label metrics are means over")
    repeats: Count = Field(8, description="disjoint sub-sets per group in each cut")
