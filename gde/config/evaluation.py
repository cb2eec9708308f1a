"""Options of the evaluation, and the metrics that each kind of evaluation has."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from gde.config import language_evaluation, sequence_evaluation
from gde.config.base import Count, Section, Whole, refuse
from gde.config.language_evaluation import BOOTSTRAP, Documents, Families
from gde.config.sequence_evaluation import Epidemic, Expression, Methylation, Patterns, Sequences

METRICS = (
    {
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
        "lineage": (
            "information/embedding",
            "information/pca",
            "information/projection",
            "information/embedding_all",
            "information/sisters",
            "information/recovered",
            "fate/js",
            "fate/r2",
            "days/w2",
            "days/mmd",
            "days/energy",
            "reconstruction/w2",
            "reconstruction/mmd",
            "reconstruction/energy",
        ),
        "perturbation": tuple(
            f"{protocol}/{metric}"
            for protocol in ("zero_shot", "transfer")
            for metric in (
                "pearson2",
                "r2",
                "mse",
                "pearson2_unmatched",
                "r2_unmatched",
                "pearson2_generated",
                "de_recall",
                "e_distance",
                "discrimination",
                "calibration",
                "target_gene",
            )
        )
        + ("effect/null_auc",),
        "donors": (
            "labels/accuracy",
            "labels/auc",
            "labels/accuracy_cv",
            "labels/auc_cv",
            "labels/batch_auc",
            "labels/corrected_auc",
            "labels/corrected_batch_auc",
            "replicates/nearest",
            "trajectory/spearman",
            "reconstruction/w2",
            "reconstruction/mmd",
            "reconstruction/energy",
        ),
    }
    | sequence_evaluation.METRICS
    | language_evaluation.METRICS
)
# Data sets with an evaluation of their own; any real data set may take one of these, where it has the columns.
EVALUATION_OF = {
    "lineage_tracing": "lineage",
    "perturb_seq": "perturbation",
    "donors": "donors",
    "methylation": "methylation",
    "gpra": "expression",
    "mpra_bins": "expression",
    "dna_multinomial": "patterns",
    "synthetic_dna": "patterns",
    "protein_motifs": "patterns",
    "pfam": "families",
    "pubmed": "documents",
    "virus": "epidemic",
}
# evaluations of sequences, and only of these
OF_SEQUENCES = (*sequence_evaluation.METRICS, *language_evaluation.METRICS)


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


class Lineage(Section):
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


class Perturbation(Section):
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


class Donors(Section):
    kind: Literal["donors"] = Field(description="donors: labels, batches, replicates, trajectory")
    bootstrap: Annotated[int, Field(ge=10)] = Field(200, description=BOOTSTRAP)
    label: str | None = Field(None, description="column to predict; null = the first of dataset.labels")
    batch: str | None = Field("batch", description="column whose trace is to be removed; null = none")
    order: str | None = Field(None, description="numeric column along which donors are ordered, e.g. age; null = none")
    repeats: Count = Field(5, description="cross-validations, each with other folds")


Evaluation = Annotated[
    Family
    | Samples
    | Lineage
    | Perturbation
    | Donors
    | Methylation
    | Expression
    | Patterns
    | Sequences
    | Epidemic
    | Families
    | Documents,
    Field(discriminator="kind"),
]
