"""The evaluation of documents."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from gde.config.base import Count
from gde.config.evaluations.base import BOOTSTRAP, RETRIEVAL, OfSequences


class Documents(OfSequences):
    evaluate: ClassVar = "gde.evaluate.sequences.documents:evaluate"
    metrics: ClassVar = (
        *RETRIEVAL,
        "topics/classifier",
        "topics/generated",
        "ngrams/distance",
        "lengths/error",
        "novelty/copied",
        "likelihood/byte",
    )
    key: ClassVar = ("retrieval/recall_1", "topics/generated", "ngrams/distance", "likelihood/byte")
    figures: ClassVar = ("embedding", "map", "distances", "retrieval", "topics", "ngrams", "metrics", "loss")
    kind: Literal["documents"] = Field(
        description="what documents are about: topics found again, and documents generated for one; of texts"
    )
    bootstrap: Annotated[int, Field(ge=10)] = Field(200, description=BOOTSTRAP)
    set_size: Annotated[int, Field(ge=1)] = Field(20, description="documents of a set that is searched with, at most")
    repeats: Annotated[int, Field(ge=2)] = Field(4, description="disjoint such sets of each held-out topic, at most")
    searched: Annotated[int, Field(ge=3)] = Field(2000, description="held-out topics, at most, at random")
    most: Annotated[int, Field(ge=1)] = Field(500, description="documents of a topic that it is known by, at most")
    known: Annotated[int, Field(ge=10)] = Field(
        5000, description="training documents, at most, that the baselines' words and n-grams are taken from"
    )
    sets: Annotated[int, Field(ge=2)] = Field(
        20, description="held-out topics, at most, that documents are generated for and the classifier tells apart"
    )
    generated: Count = Field(20, description="documents generated for each of these")
    scored: Count = Field(20, description="held-out documents of each whose likelihood is taken, at most")
    ngram: Annotated[int, Field(ge=1, le=2)] = Field(2, description="bytes of the n-grams whose spectra are compared")
    markov: Annotated[int, Field(ge=0, le=2)] = Field(
        2, description="bytes that the baseline's next one depends on, at most; the order that validates best is used"
    )
    copied: Annotated[int, Field(ge=8)] = Field(
        24, description="bytes in a row that count as copied where a training document has them"
    )
