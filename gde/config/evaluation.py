"""Options of the evaluation, and the metrics that each kind of evaluation has."""

from typing import Annotated, Literal

from pydantic import Field

from gde.config.base import Count, Section, Whole

METRICS = {
    "family": (
        "reconstruction/paper_metric",
        "reconstruction/paper_metric_strict",
        "reconstruction/w2",
        "reconstruction/w2_mean",
        "reconstruction/w2_cov",
        "reconstruction/mmd",
        "reconstruction/second_moment",
        "geometry/w2_spearman",
        "geometry/w2_pearson",
        "geometry/w2_spearman_nearest",
        "geometry/geodesic_deviation",
        "clt/slope",
    ),
    "samples": (
        "reconstruction/w2",
        "reconstruction/mmd",
        "reconstruction/energy",
        "labels/accuracy",
        "labels/silhouette",
    ),
}
BOOTSTRAP = "bootstrap resamples of the intervals"


class Family(Section):
    kind: Literal["family"] = Field(description="simulated families, whose truth is known")
    bootstrap: Annotated[int, Field(ge=10)] = Field(200, description=BOOTSTRAP)
    generated: Count | None = Field(None, description="points generated per held-out set; null = as many as it has")
    geodesic_pairs: Whole = Field(20, description="pairs of held-out sets whose latent line is compared; 0 = none")
    geodesic_steps: Annotated[int, Field(ge=3)] = Field(20, description="points on each line")
    clt: bool = Field(True, description="measure how the embedding settles with the set's size")


class Samples(Section):
    kind: Literal["samples"] = Field(description="real samples: encode some, generate, compare with others")
    bootstrap: Annotated[int, Field(ge=10)] = Field(200, description=BOOTSTRAP)
    repeats: Count = Field(8, description="disjoint sub-sets per group for the label metrics")


Evaluation = Annotated[Family | Samples, Field(discriminator="kind")]
