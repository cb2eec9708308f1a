"""The evaluation of simulated families."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from gde.config.base import Count, Whole
from gde.config.datasets.base import Simulated
from gde.config.evaluations.base import BOOTSTRAP, EvaluationKind


class Family(EvaluationKind):
    evaluate: ClassVar = "gde.evaluate.simulated.family:evaluate"
    metrics: ClassVar = (  # of all families together: which of them an experiment has depends on its data set
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
    )
    key: ClassVar = (
        "reconstruction/w2",
        "geometry/w2_spearman",
        "geometry/w2_spearman_equal_means",
        "geometry/simplex_spearman",
        "poisson/mse_n100",
        "clt/coverage",
    )
    figures: ClassVar = (
        "embedding",
        "reconstruction",
        "geometry",
        "interpolation",
        "poisson",
        "simplex",
        "clt",
        "coverage",
        "metrics",
        "loss",
    )
    of: ClassVar = Simulated
    kind: Literal["simulated"] = Field(description="simulated families, whose truth is known")
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

    @classmethod
    def figures_of(cls, evaluation: Mapping[str, Any], dataset: Mapping[str, Any]) -> tuple[str, ...]:
        kind, three = dataset["kind"], dataset.get("categories") == 3
        absent = {
            "interpolation": kind in ("poisson", "multinomial"),
            "poisson": kind != "poisson",
            "simplex": not three,
            "clt": not evaluation["clt"],
            "coverage": not (evaluation["clt"] and evaluation["coverage_replicates"]),
        }
        return tuple(figure for figure in cls.figures if not absent.get(figure))
