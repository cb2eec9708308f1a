"""The section `evaluation`. A new kind is a class in one of these modules, and its code in `gde.evaluate`."""

from gde.config.evaluations import (
    cells,
    epidemic,
    expression,
    images,
    methylation,
    proteins,
    samples,
    screens,
    sequences,
    simulated,
    texts,
)
from gde.config.evaluations.base import EvaluationKind
from gde.config.kinds import kinds_in, one_of

EVALUATIONS = kinds_in(
    EvaluationKind,
    simulated,
    samples,
    cells,
    methylation,
    expression,
    sequences,
    epidemic,
    proteins,
    texts,
    images,
    screens,
)
Evaluation = one_of(EVALUATIONS)
