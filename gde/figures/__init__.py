"""Figures, each drawn from its tables and metrics.json alone. Importing this costs nothing: the Snakefile does."""

import os
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from gde.config.evaluations import EVALUATIONS
from gde.errors import bad


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


def draw(
    name: str,
    tables: str | os.PathLike,
    metrics: str | os.PathLike,
    svg: str | os.PathLike,
    png: str | os.PathLike,
) -> None:
    """Draw a figure into `svg` and `png`, both or neither; the same input gives the same bytes.

    tables : the directory that evaluation wrote.   metrics : metrics.json.
    Raises GdeError for an unknown figure, and for a table or metrics file that is missing, damaged or holds NaN.
    """
    from gde.figures.style import save, style
    from gde.files.io import verify_sums
    from gde.files.seals import read_sealed_json

    module = import_module(module_of(name))
    result = read_sealed_json(metrics)
    verify_sums(tables, f"make it again with `snakemake --force {metrics}`")
    with style():
        figure = module.draw(Path(tables), result)
        save(figure, result, Path(svg), Path(png))
