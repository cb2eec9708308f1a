"""The evaluation of methylation reads."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from gde.config.base import Count
from gde.config.evaluations.base import BOOTSTRAP, OfSequences


class Methylation(OfSequences):
    evaluate: ClassVar = "gde.evaluate.methylation.evaluation:evaluate"
    metrics: ClassVar = (
        "tissue/accuracy",
        "tissue/macro_f1",
        "tissue/accuracy_coarse",
        "tissue/macro_f1_coarse",
        "tissue/head_accuracy",
        "replicates/separation",
        "replicates/nearest",
        "methylation/rate_error",
        "methylation/concordance_error",
        "methylation/entropy_error",
        "methylation/valid",
        "sites/rate_error",
        "sites/concordance_error",
        "sites/entropy_error",
        "sites/valid",
    )
    key: ClassVar = ("tissue/accuracy", "replicates/nearest", "methylation/rate_error", "methylation/concordance_error")
    figures: ClassVar = (
        "embedding",
        "map",
        "distances",
        "tissues",
        "methylation",
        "methylation_levels",
        "metrics",
        "loss",
    )
    kind: Literal["methylation"] = Field(
        description="methylation reads: tissues of held-out samples, generated reads against real ones"
    )
    bootstrap: Annotated[int, Field(ge=10)] = Field(200, description=BOOTSTRAP)
    repeats: Count = Field(8, description="disjoint sets of reads of a training sample that tissues are learned from")
    reads: Annotated[int, Field(ge=2)] = Field(2000, description="reads of such a set at most")
    regions: Annotated[int, Field(ge=1)] = Field(
        1024, description="regions of the genome whose mean methylation is the baseline `mean_profile`"
    )
    generated: Annotated[int, Field(ge=10)] = Field(1000, description="reads generated for each held-out sample")
