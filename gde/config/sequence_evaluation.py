"""Options of the evaluations of reads, promoters, patterns, epidemics and a user's sequences, and their metrics."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from gde.config.base import Count, Positive, Section, Whole, refuse
from gde.config.language_evaluation import BOOTSTRAP

METRICS = {
    "methylation": (
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
    ),
    "expression": (
        "axis/spearman",
        "axis/spearman_joint",
        "extrapolation/auc",
        "extrapolation/shift",
        "oracle/pearson",
        "expression/spearman",
        "expression/slope",
        "expression/error",
        "kmers/distance",
        "motifs/pearson",
        "novelty/identity",
        "letters/n_error",
    ),
    "patterns": (
        "geometry/simplex_pearson",
        "geometry/simplex_spearman",
        "geometry/transport_pearson",
        "geometry/transport_spearman",
        "patterns/composition_error",
        "patterns/substitutions",
        "likelihood/letter",
    ),
    "sequences": (
        "labels/accuracy",
        "labels/macro_f1",
        "kmers/distance",
        "letters/gc_error",
        "letters/n_error",
        "lengths/error",
        "novelty/identity",
        "likelihood/letter",
    ),
    "epidemic": (
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
        "likelihood/letter",
        "extrapolation/distance",
        "extrapolation/coverage",
    ),
}


class Methylation(Section):
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


class Oracle(Section):
    """The regressor that generated sequences are scored with; it sees real training sequences alone."""

    hidden: Count = Field(64, description="channels of the convolutions")
    layers: Annotated[int, Field(ge=1, le=6)] = Field(3, description="convolutions, each followed by halving")
    most: Annotated[int, Field(ge=10)] = Field(200_000, description="training sequences at most, a random part")
    epochs: Count = Field(25, description="passes over them at most; the one that validates best is kept")
    patience: Count = Field(5, description="passes without a better validation before it stops")
    lr: Positive = Field(2e-3, description="learning rate")
    copies: Count = Field(2, description="regressors of different seeds whose mean is the prediction")


class Expression(Section):
    kind: Literal["expression"] = Field(
        description="sequences by expression: the axis of it, generated ones scored by a regressor, extrapolation"
    )
    bootstrap: Annotated[int, Field(ge=10)] = Field(200, description=BOOTSTRAP)
    along: str | None = Field(None, description="column that orders the groups; null = `quantile` or `bin`")
    within: str | None = Field("condition", description="column whose values are ordered apart; null = none")
    window: Count = Field(3, description="neighbouring groups that a set is made of; the sets do not overlap")
    most: Annotated[int, Field(ge=2)] = Field(2000, description="sequences of a set at most")
    generated: Annotated[int, Field(ge=10)] = Field(100, description="sequences generated for each held-out set")
    kmer: Annotated[int, Field(ge=1, le=8)] = Field(6, description="letters of the words whose spectra are compared")
    known: Count = Field(20_000, description="training sequences, at most, that novelty is measured against")
    motifs: str | None = Field(None, description="file of motifs, MEME or JASPAR text, to be counted; null = none")
    oracle: Oracle = Field(Oracle(), description="the regressor")


class Patterns(Section):
    kind: Literal["patterns"] = Field(description="simulated sequences: mixtures of words, whose truth is known")
    bootstrap: Annotated[int, Field(ge=10)] = Field(200, description=BOOTSTRAP)
    points: Annotated[int, Field(ge=10)] = Field(5000, description="held-out sequences of each mixture")
    mixtures: Whole = Field(
        40, description="random mixtures of held-out words beside each of them alone; three words: the simplex's 55"
    )
    generated: Annotated[int, Field(ge=10)] = Field(200, description="sequences generated for each mixture")
    scored: Annotated[int, Field(ge=10)] = Field(100, description="sequences of each mixture whose likelihood is taken")


class Epidemic(Section):
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
    kmer: Annotated[int, Field(ge=1, le=3)] = Field(3, description="letters of the words of the baseline `kmers`")
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
        None, description="FASTA file whose first sequence numbers the sites; null = consensus of the first month"
    )
    known: Count = Field(2000, description="training sequences, at most, that novelty is measured against")
    markov: Annotated[int, Field(ge=0, le=4)] = Field(
        3, description="letters that the baseline's next one depends on, at most; the order that validates best is used"
    )
    scored: Annotated[int, Field(ge=2)] = Field(200, description="sequences whose likelihood is taken, at most")

    @model_validator(mode="after")
    def possible(self):
        if self.least > self.most:
            refuse("least", self.least, f"at most evaluation.most = {self.most}", "lower it")
        return self


class Sequences(Section):
    kind: Literal["sequences"] = Field(description="sequences: labels, and generated ones against those held out")
    bootstrap: Annotated[int, Field(ge=10)] = Field(200, description=BOOTSTRAP)
    label: str | None = Field(None, description="column to predict; null = the first of dataset.labels, or the group")
    repeats: Count = Field(8, description="disjoint sets of each training group that labels are learned from")
    most: Annotated[int, Field(ge=2)] = Field(2000, description="sequences of such a set, and of a scored one, at most")
    sets: Count = Field(100, description="held-out groups, at most, that sequences are generated for; at random")
    generated: Annotated[int, Field(ge=10)] = Field(500, description="sequences generated for each held-out group")
    kmer: Annotated[int, Field(ge=1, le=8)] = Field(
        4, description="letters of the words whose spectra are compared; of proteins at most 3, of bytes 2"
    )
    markov: Annotated[int, Field(ge=0, le=8)] = Field(
        5,
        description="letters that the baseline's next one depends on, at most (proteins 4, bytes 2); the best is used",
    )
    known: Count = Field(20_000, description="training sequences, at most, that novelty is measured against")
