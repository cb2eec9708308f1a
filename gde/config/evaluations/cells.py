"""Evaluations of single cells: clones, perturbations, donors."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from gde.config.base import Count, refuse
from gde.config.evaluations.base import BOOTSTRAP, EvaluationKind

SHIFTS = (
    "pearson",
    "pearson2",
    "r2",
    "mse",
    "pearson_unmatched",
    "pearson2_unmatched",
    "r2_unmatched",
    "pearson_generated",
    "pearson2_generated",
    "de_recall",
    "e_distance",
    "discrimination",
    "calibration",
    "target_gene",
)


class Lineage(EvaluationKind):
    evaluate: ClassVar = "gde.evaluate.cells.lineage:evaluate"
    metrics: ClassVar = (
        "information/embedding",
        "information/pca",
        "information/projection",
        "information/embedding_all",
        "information/sisters",
        "information/recovered",
        "fate/js",
        "fate/r2",
        "days/energy",
        "days/mmd",
        "days/w2",
        "reconstruction/energy",
        "reconstruction/mmd",
        "reconstruction/w2",
    )
    key: ClassVar = ("information/embedding", "fate/js", "days/energy", "reconstruction/energy")
    figures: ClassVar = (
        "embedding",
        "map",
        "distances",
        "information",
        "spring",
        "fate",
        "days",
        "reconstruction",
        "metrics",
        "loss",
    )
    kind: Literal["lineage"] = Field(description="clones followed over days: information, fate, the days between")
    bootstrap: Annotated[int, Field(ge=10)] = Field(200, description=BOOTSTRAP)
    early: Annotated[list[float], Field(min_length=1)] = Field([2.0, 4.0], description="days of a clone's early cells")
    late: Annotated[list[float], Field(min_length=1)] = Field([6.0], description="days of its late cells")
    interpolate: Annotated[list[float], Field(min_length=3, max_length=3)] = Field(
        [2.0, 4.0, 6.0], description="first day, day between (compared with what is generated for it), last day"
    )
    neighbours: Count = Field(3, description="k of the estimator of mutual information")
    dim: Count = Field(8, description="principal components of each side in `information/pca`")
    dims: Annotated[list[Count], Field(min_length=1)] = Field(
        [1, 2, 4, 8, 16, 32], description="principal components in the curve of information against dimension"
    )
    permutations: Annotated[int, Field(ge=10)] = Field(100, description="shuffled pairings of the null")

    @model_validator(mode="after")
    def possible(self):
        if both := sorted(set(self.early) & set(self.late)):
            refuse("late", self.late, f"days other than the early {both[0]:g}", "a clone would be told its own cells")
        if not self.interpolate[0] < self.interpolate[1] < self.interpolate[2]:
            refuse("interpolate", self.interpolate, "three rising days", "order them")
        return self


class Perturbation(EvaluationKind):
    evaluate: ClassVar = "gde.evaluate.cells.perturbation:evaluate"
    metrics: ClassVar = (
        *(f"zero_shot/{metric}" for metric in SHIFTS),
        *(f"transfer/{metric}" for metric in SHIFTS),
        "effect/null_auc",
    )
    key: ClassVar = ("zero_shot/pearson", "zero_shot/discrimination", "zero_shot/e_distance", "transfer/pearson")
    figures: ClassVar = ("perturbations", "shifts", "ranks", "cells", "map", "distances", "metrics", "loss")
    kind: Literal["perturbation"] = Field(
        description="perturbations held out: predicted shifts and cells; for the objective `perturbation`"
    )
    bootstrap: Annotated[int, Field(ge=10)] = Field(200, description=BOOTSTRAP)
    batch: str | None = Field(
        "gem_group", description="samples' column: shifts are taken against controls of the same value; null = all"
    )
    top: Count = Field(20, description="most shifted genes that are to be recalled")
    generated: Annotated[int, Field(ge=10)] = Field(200, description="cells generated per perturbation")
    shown: Count = Field(6, description="perturbations in the picture of generated and real cells")
    null: str | None = Field(
        None, description="column of the groups that is true where a perturbation is known to do nothing (simulations)"
    )


class Donors(EvaluationKind):
    evaluate: ClassVar = "gde.evaluate.cells.donors:evaluate"
    metrics: ClassVar = (
        "labels/accuracy",
        "labels/auc",
        "labels/accuracy_cv",
        "labels/auc_cv",
        "labels/batch_auc",
        "labels/corrected_auc",
        "labels/corrected_batch_auc",
        "replicates/nearest",
        "trajectory/spearman",
        "reconstruction/energy",
        "reconstruction/mmd",
        "reconstruction/w2",
    )
    key: ClassVar = ("labels/auc", "labels/accuracy", "labels/batch_auc", "replicates/nearest", "trajectory/spearman")
    figures: ClassVar = ("embedding", "map", "distances", "labels", "reconstruction", "metrics", "loss")
    kind: Literal["donors"] = Field(description="donors: labels, batches, replicates, trajectory")
    bootstrap: Annotated[int, Field(ge=10)] = Field(200, description=BOOTSTRAP)
    label: str | None = Field(None, description="column to predict; null = the first of dataset.labels")
    batch: str | None = Field("batch", description="column whose trace is to be removed; null = none")
    order: str | None = Field(None, description="numeric column along which donors are ordered, e.g. age; null = none")
    repeats: Count = Field(5, description="cross-validations, each with other folds")
