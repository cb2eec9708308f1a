"""Evaluations of simulated patterns and of a user's sequences."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from gde.config.base import Count, Whole
from gde.config.evaluations.base import BOOTSTRAP, OfSequences


class Patterns(OfSequences):
    evaluate: ClassVar = "gde.evaluate.simulated.patterns:evaluate"
    metrics: ClassVar = (
        "geometry/simplex_pearson",
        "geometry/simplex_spearman",
        "geometry/transport_pearson",
        "geometry/transport_spearman",
        "patterns/composition_error",
        "patterns/substitutions",
        "likelihood/token",
    )
    key: ClassVar = ("geometry/transport_spearman", "patterns/composition_error", "likelihood/token")
    figures: ClassVar = ("embedding", "transport", "patterns", "metrics", "loss", "simplex")
    kind: Literal["patterns"] = Field(description="simulated sequences: mixtures of k-mers, whose truth is known")
    bootstrap: Annotated[int, Field(ge=10)] = Field(200, description=BOOTSTRAP)
    points: Annotated[int, Field(ge=10)] = Field(5000, description="held-out sequences of each mixture")
    mixtures: Whole = Field(
        40, description="random mixtures of held-out k-mers beside each of them alone; three k-mers: the simplex's 55"
    )
    generated: Annotated[int, Field(ge=10)] = Field(200, description="sequences generated for each mixture")
    scored: Annotated[int, Field(ge=10)] = Field(100, description="sequences of each mixture whose likelihood is taken")

    @classmethod
    def figures_of(cls, evaluation: Mapping[str, Any], dataset: Mapping[str, Any]) -> tuple[str, ...]:
        return cls.figures if dataset["patterns"] == 3 else cls.figures[:-1]  # the simplex of three


class Sequences(OfSequences):
    evaluate: ClassVar = "gde.evaluate.sequences.evaluation:evaluate"
    metrics: ClassVar = (
        "labels/accuracy",
        "labels/macro_f1",
        "kmers/distance",
        "composition/gc_error",
        "composition/n_error",
        "lengths/error",
        "novelty/identity",
        "split/near_copies",
        "likelihood/token",
    )
    key: ClassVar = ("labels/accuracy", "labels/macro_f1", "kmers/distance", "likelihood/token")
    figures: ClassVar = ("embedding", "map", "distances", "labels", "spectra", "metrics", "loss")
    kind: Literal["sequences"] = Field(description="sequences: labels, and generated ones against those held out")
    bootstrap: Annotated[int, Field(ge=10)] = Field(200, description=BOOTSTRAP)
    label: str | None = Field(None, description="column to predict; null = the first of dataset.labels, or the group")
    repeats: Count = Field(8, description="disjoint sets of each training group that labels are learned from")
    most: Annotated[int, Field(ge=2)] = Field(2000, description="sequences of such a set, and of a scored one, at most")
    sets: Count = Field(100, description="held-out groups, at most, that sequences are generated for; at random")
    generated: Annotated[int, Field(ge=10)] = Field(500, description="sequences generated for each held-out group")
    kmer: Annotated[int, Field(ge=1, le=8)] = Field(
        4, description="length of the k-mers whose spectra are compared; of proteins at most 3, of bytes 2"
    )
    markov: Annotated[int, Field(ge=0, le=8)] = Field(
        5,
        description="tokens that the baseline's next one depends on, at most (proteins 4, bytes 2); the best is used",
    )
    known: Count = Field(20_000, description="training sequences, at most, that novelty is measured against")
