"""The evaluation of a virus's proteins by country and month."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from gde.config.base import Count, refuse
from gde.config.evaluations.base import BOOTSTRAP, OfSequences


class Epidemic(OfSequences):
    evaluate: ClassVar = "gde.evaluate.epidemic.evaluation:evaluate"
    metrics: ClassVar = (
        "month/mae",
        "month/mae_future",
        "country/accuracy",
        "country/accuracy_future",
        "sweeps/named_error",
        "sweeps/error",
        "sweeps/largest_error",
        "sweeps/pearson",
        "sweeps/error_future",
        "sites/pearson",
        "sites/spearman",
        "novelty/identity",
        "novelty/copies",
        "perplexity/markov",
        "perplexity/model",
        "likelihood/token",
        "extrapolation/distance",
        "extrapolation/coverage",
    )
    key: ClassVar = ("month/mae", "country/accuracy", "sweeps/error", "extrapolation/distance")
    figures: ClassVar = (
        "epidemic_map",
        "map",
        "distances",
        "epidemic_months",
        "epidemic_sweeps",
        "epidemic_sites",
        "metrics",
        "loss",
    )
    files: ClassVar = ("reference",)
    words: ClassVar = ("consensus",)
    kind: Literal["epidemic"] = Field(
        description="versions of a protein by country and month: read-outs, sweeps, what is generated, the months ahead"
    )
    bootstrap: Annotated[int, Field(ge=10)] = Field(200, description=BOOTSTRAP)
    set_size: Annotated[int, Field(ge=2)] = Field(
        16, description="sequences of a set that month and country are read of"
    )
    sets_per_key: Count = Field(4, description="disjoint such sets of each country and month, at most")
    sets: Annotated[int, Field(ge=10)] = Field(
        1000, description="such sets that are learned from, and that are tested, at most; at random"
    )
    kmer: Annotated[int, Field(ge=1, le=3)] = Field(3, description="length of the k-mers of the baseline `kmers`")
    keys: Literal["held_out", "all"] = Field(
        "held_out", description="countries and months that sequences are generated for; `all` where few are held out"
    )
    least: Count = Field(
        16,
        description="real sequences of a month to compare with, below which it is left out of the sweeps",
    )
    most: Annotated[int, Field(ge=10)] = Field(1000, description="real sequences of a month that are compared, at most")
    generated: Annotated[int, Field(ge=10)] = Field(100, description="sequences generated for each month")
    mutations: list[Annotated[str, Field(pattern="^[ACDEFGHIKLMNPQRSTVWY][1-9][0-9]*[ACDEFGHIKLMNPQRSTVWY]$")]] = Field(
        ["D614G"], description="mutations shown in any case, in the reference's numbers, such as D614G"
    )
    common: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.1, description="share in a month from which any other mutation is shown too"
    )
    reference: str | None = Field(
        None,
        description="what numbers the sites and names mutations: null = the first spike, Wuhan-Hu-1; "
        "`consensus` = that of the first month; or a FASTA file, its first sequence",
    )
    known: Count = Field(2000, description="training sequences, at most, that novelty is measured against")
    markov: Annotated[int, Field(ge=0, le=4)] = Field(
        3, description="tokens that the baseline's next one depends on, at most; the order that validates best is used"
    )
    scored: Annotated[int, Field(ge=2)] = Field(200, description="sequences whose likelihood is taken, at most")

    @model_validator(mode="after")
    def possible(self):
        if self.least > self.most:
            refuse("least", self.least, f"at most evaluation.most = {self.most}", "lower it")
        return self
