"""What a kind of evaluation says of itself."""

from collections.abc import Mapping
from typing import Any, ClassVar

from gde.config.base import Section
from gde.config.datasets.base import DataSet, TokenSequences, Vectors

BOOTSTRAP = "bootstrap resamples of the intervals"
RETRIEVAL = tuple(f"retrieval/{score}" for score in ("recall_1", "recall_10", "whitened", "mrr", "purity"))


class EvaluationKind(Section):
    """Options of an evaluation.

    evaluate : "module:function" that computes it.   metrics, figures : what it may have, each by name and in order, of
    figures the most important first; which of them an experiment has may depend on its data set.   key : the few
    metrics that an overview shows, the most important first.   of : the data sets that it is for.
    files : keys that name a user's file.   words : values of these that name none.
    """

    evaluate: ClassVar[str]
    metrics: ClassVar[tuple[str, ...]]
    key: ClassVar[tuple[str, ...]]
    figures: ClassVar[tuple[str, ...]]
    of: ClassVar[type[DataSet]] = Vectors
    files: ClassVar[tuple[str, ...]] = ()
    words: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def figures_of(cls, evaluation: Mapping[str, Any], dataset: Mapping[str, Any]) -> tuple[str, ...]:
        """The figures that an experiment has, from its resolved settings."""
        return cls.figures


class OfSequences(EvaluationKind):
    """An evaluation of sequences, and only of these."""

    of: ClassVar[type[DataSet]] = TokenSequences
