"""The evaluation of images."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from gde.config.datasets.base import Pictures
from gde.config.evaluations.base import BOOTSTRAP, EvaluationKind


class Images(EvaluationKind):
    evaluate: ClassVar = "gde.evaluate.images.evaluation:evaluate"
    metrics: ClassVar = (
        "geometry/simplex_pearson",
        "geometry/simplex_spearman",
        "composition/class_error",
        "identity/rank",
        "features/energy",
        "features/frechet",
        "classifier/accuracy",
    )
    key: ClassVar = ("identity/rank", "geometry/simplex_pearson", "composition/class_error", "features/energy")
    figures: ClassVar = (
        "pictures",
        "simplex",
        "strip",
        "class_shares",
        "embedding",
        "map",
        "distances",
        "metrics",
        "loss",
    )
    of: ClassVar = Pictures
    kind: Literal["images"] = Field(description="images: mixtures of classes or held-out groups, and generated images")
    bootstrap: Annotated[int, Field(ge=10)] = Field(200, description=BOOTSTRAP)
    points: Annotated[int, Field(ge=2)] = Field(1000, description="held-out images of each set that is embedded")
    sets: Annotated[int, Field(ge=2)] = Field(40, description="held-out sets that images are generated for, at most")
    generated: Annotated[int, Field(ge=20)] = Field(100, description="images generated for each of them")
