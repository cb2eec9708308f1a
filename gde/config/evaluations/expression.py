"""The evaluation of sequences by expression."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from gde.config.base import Count, Positive, Section
from gde.config.evaluations.base import BOOTSTRAP, OfSequences


class Oracle(Section):
    """The regressor that generated sequences are scored with; it sees real training sequences alone."""

    hidden: Count = Field(64, description="channels of the convolutions")
    layers: Annotated[int, Field(ge=1, le=6)] = Field(3, description="convolutions, each followed by halving")
    most: Annotated[int, Field(ge=10)] = Field(200_000, description="training sequences at most, a random part")
    epochs: Count = Field(25, description="passes over them at most; the one that validates best is kept")
    patience: Count = Field(5, description="passes without a better validation before it stops")
    lr: Positive = Field(2e-3, description="learning rate")
    copies: Count = Field(2, description="regressors of different seeds whose mean is the prediction")


class Expression(OfSequences):
    evaluate: ClassVar = "gde.evaluate.sequences.expression:evaluate"
    metrics: ClassVar = (
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
        "split/near_copies",
        "composition/n_error",
    )
    key: ClassVar = ("axis/spearman", "expression/spearman", "oracle/pearson", "kmers/distance")
    figures: ClassVar = ("expression_axis", "map", "distances", "expression", "kmers", "metrics", "loss")
    files: ClassVar = ("motifs",)
    kind: Literal["expression"] = Field(
        description="sequences by expression: the axis of it, generated ones scored by a regressor, extrapolation"
    )
    bootstrap: Annotated[int, Field(ge=10)] = Field(200, description=BOOTSTRAP)
    along: str | None = Field(None, description="column that orders the groups; null = `quantile` or `bin`")
    within: str | None = Field("condition", description="column whose values are ordered apart; null = none")
    window: Count = Field(3, description="neighbouring groups that a set is made of; the sets do not overlap")
    most: Annotated[int, Field(ge=2)] = Field(2000, description="sequences of a set at most")
    generated: Annotated[int, Field(ge=10)] = Field(100, description="sequences generated for each held-out set")
    kmer: Annotated[int, Field(ge=1, le=8)] = Field(6, description="length of the k-mers whose spectra are compared")
    known: Count = Field(20_000, description="training sequences, at most, that novelty is measured against")
    motifs: str | None = Field(None, description="file of motifs, MEME or JASPAR text, to be counted; null = none")
    oracle: Oracle = Field(Oracle(), description="the regressor")
