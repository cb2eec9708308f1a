"""Options of the evaluations of protein families and of documents, and their metrics."""

from typing import Annotated, Literal

from pydantic import Field

from gde.config.base import Count, Section

BOOTSTRAP = "bootstrap resamples of the intervals"
RETRIEVAL = tuple(f"retrieval/{score}" for score in ("recall_1", "recall_10", "whitened", "mrr", "purity"))
METRICS = {
    "families": (
        *RETRIEVAL,
        "kmers/distance",
        "letters/n_error",
        "lengths/error",
        "novelty/identity",
        "likelihood/letter",
    ),
    "documents": (
        *RETRIEVAL,
        "topics/classifier",
        "topics/generated",
        "ngrams/distance",
        "lengths/error",
        "novelty/copied",
        "likelihood/byte",
    ),
}


class Families(Section):
    kind: Literal["families"] = Field(
        description="which family a few sequences are of, and what is generated for one; of sequences"
    )
    bootstrap: Annotated[int, Field(ge=10)] = Field(200, description=BOOTSTRAP)
    set_size: Annotated[int, Field(ge=2)] = Field(16, description="sequences of a set that is searched with, at most")
    repeats: Annotated[int, Field(ge=2)] = Field(4, description="disjoint such sets of each held-out family, at most")
    searched: Annotated[int, Field(ge=3)] = Field(2000, description="held-out families, at most, at random")
    most: Annotated[int, Field(ge=2)] = Field(500, description="sequences of a family that it is known by, at most")
    sets: Count = Field(50, description="held-out families, at most, that sequences are generated for; at random")
    generated: Annotated[int, Field(ge=10)] = Field(100, description="sequences generated for each of these")
    kmer: Annotated[int, Field(ge=1, le=3)] = Field(3, description="letters of the words whose spectra are compared")
    markov: Annotated[int, Field(ge=0, le=4)] = Field(
        3, description="letters that the baseline's next one depends on, at most; the order that validates best is used"
    )
    known: Count = Field(20_000, description="training sequences, at most, that novelty is measured against")


class Documents(Section):
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
