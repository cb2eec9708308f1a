"""Options of the evaluation, and the metrics that each kind of evaluation has."""

from typing import Annotated, Literal

from pydantic import Field

from gde.config.base import Count, Section, Whole

METRICS = {
    "family": (  # of all families together: which of them an experiment has depends on its data set
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
        "geometry/w2_spearman_equal_means",
        "geometry/exact_w2_spearman",
        "geometry/simplex_pearson",
        "geometry/simplex_spearman",
        "geometry/geodesic_deviation",
        "poisson/mse_n10",
        "poisson/mse_n100",
        "poisson/mse_n1000",
        "poisson/mse_n10000",
        "clt/slope",
        "clt/coverage",
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
    exact_sets: Whole = Field(40, description="gmm: sets compared pair by pair by exact optimal transport; 0 = none")
    simplex_points: Count = Field(5000, description="multinomial of 3 categories: samples at each point of the simplex")
    poisson_draws: Annotated[int, Field(ge=2)] = Field(
        10_000, description="poisson: points generated per set to count zeros among; on average, and at most 10 n"
    )
    poisson_replicates: Count = Field(1, description="poisson: sets of each size drawn for each held-out rate")
    clt: bool = Field(True, description="measure how the embedding settles with the set's size")
    coverage_replicates: Whole = Field(
        24, description="with clt: sets of each size drawn to check the standard errors; 0 = no check"
    )


class Samples(Section):
    kind: Literal["samples"] = Field(description="real samples: encode some, generate, compare with others")
    bootstrap: Annotated[int, Field(ge=10)] = Field(200, description=BOOTSTRAP)
    repeats: Count = Field(8, description="disjoint sub-sets per group for the label metrics")


Evaluation = Annotated[Family | Samples, Field(discriminator="kind")]
