"""The figures of an experiment, which follow from its evaluation and its data set."""

from collections.abc import Mapping
from typing import Any

from gde.config.evaluations import EVALUATIONS
from gde.errors import bad

OF_EMBEDDINGS = ("map", "distances")  # drawn from the tables of all embeddings, not from those of the evaluation


def tables_of(figure: str) -> str:
    """The directory of an experiment that a figure's tables are in."""
    return "map" if figure in OF_EMBEDDINGS else "tables"


def known_figures() -> list[str]:
    """Every figure that an evaluation has; each is the function `draw` of the module of its name here."""
    return list(dict.fromkeys(figure for evaluation in EVALUATIONS.values() for figure in evaluation.figures))


def module_of(figure: str) -> str:
    """The module that draws a figure. Raises GdeError for an unknown one."""
    if figure not in (known := known_figures()):
        raise bad("figure", repr(figure), f"one of {', '.join(known)}", "choose one of them")
    return f"gde.figures.{figure}"


def figures_of(resolved: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the figures of a resolved experiment: they follow from its data set and evaluation."""
    evaluation, dataset = resolved["evaluation"], resolved["dataset"]
    return EVALUATIONS[evaluation["kind"]].figures_of(evaluation, dataset)
