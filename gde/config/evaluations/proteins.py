"""The evaluation of protein families."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from gde.config.base import Count
from gde.config.evaluations.base import BOOTSTRAP, RETRIEVAL, OfSequences


class Families(OfSequences):
    evaluate: ClassVar = "gde.evaluate.sequences.protein_families:evaluate"
    metrics: ClassVar = (
        *RETRIEVAL,
        "kmers/distance",
        "composition/n_error",
        "lengths/error",
        "novelty/identity",
        "split/near_copies",
        "likelihood/token",
    )
    key: ClassVar = ("retrieval/recall_1", "retrieval/purity", "kmers/distance", "likelihood/token")
    figures: ClassVar = ("embedding", "map", "distances", "retrieval", "spectra", "metrics", "loss")
    kind: Literal["protein_families"] = Field(
        description="which family a few sequences are of, and what is generated for one; of sequences"
    )
    bootstrap: Annotated[int, Field(ge=10)] = Field(200, description=BOOTSTRAP)
    set_size: Annotated[int, Field(ge=2)] = Field(16, description="sequences of a set that is searched with, at most")
    repeats: Annotated[int, Field(ge=2)] = Field(4, description="disjoint such sets of each held-out family, at most")
    searched: Annotated[int, Field(ge=3)] = Field(2000, description="held-out families, at most, at random")
    most: Annotated[int, Field(ge=2)] = Field(500, description="sequences of a family that it is known by, at most")
    sets: Count = Field(50, description="held-out families, at most, that sequences are generated for; at random")
    generated: Annotated[int, Field(ge=10)] = Field(100, description="sequences generated for each of these")
    kmer: Annotated[int, Field(ge=1, le=3)] = Field(3, description="length of the k-mers whose spectra are compared")
    markov: Annotated[int, Field(ge=0, le=4)] = Field(
        3, description="tokens that the baseline's next one depends on, at most; the order that validates best is used"
    )
    known: Count = Field(20_000, description="training sequences, at most, that novelty is measured against")
