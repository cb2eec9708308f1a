"""The evaluation of optical pooled screens."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from gde.config.datasets.screens import ImageScreen
from gde.config.evaluations.base import BOOTSTRAP, EvaluationKind


class Screen(EvaluationKind):
    evaluate: ClassVar = "gde.evaluate.images.screen:evaluate"
    metrics: ClassVar = (
        "relations/recall_5",
        "relations/recall_10",
        "relations/recall_5_centred",
        "relations/recall_10_centred",
        "relations/recall_5_raw",
        "relations/recall_10_raw",
        "relations/shuffled_5",
        "relations/shuffled_10",
        "guides/map",
        "confounds/well",
        "confounds/well_centred",
    )
    key: ClassVar = ("relations/recall_5", "relations/recall_10", "guides/map", "confounds/well")
    figures: ClassVar = ("relations", "embedding", "map", "distances", "metrics", "loss")
    of: ClassVar = ImageScreen
    kind: Literal["screen"] = Field(description="optical pooled screens: are genes of one complex found, or wells?")
    bootstrap: Annotated[int, Field(ge=10)] = Field(200, description=BOOTSTRAP)
    shuffles: Annotated[int, Field(ge=20)] = Field(200, description="shufflings of genes within wells")
