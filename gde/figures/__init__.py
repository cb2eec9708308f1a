"""Figures, each drawn from its tables and metrics.json alone. Importing this costs nothing: the Snakefile does."""

import os
from importlib import import_module
from pathlib import Path

from gde.errors import bad

REGISTRY = {
    name: f"gde.figures.{name}:draw"
    for name in (
        "embedding",
        "reconstruction",
        "geometry",
        "interpolation",
        "clt",
        "labels",
        "loss",
        "metrics",
    )
}
FIGURES = {
    "family": ("embedding", "reconstruction", "geometry", "interpolation", "clt", "loss", "metrics"),
    "samples": ("embedding", "reconstruction", "labels", "loss", "metrics"),
}


def figures_of(kind: str) -> tuple[str, ...]:
    """Names of the figures of an evaluation kind (family | samples)."""
    if kind not in FIGURES:
        raise bad("evaluation.kind", repr(kind), f"one of {', '.join(FIGURES)}", "choose one of them")
    return FIGURES[kind]


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
    from gde.io import read_json

    if name not in REGISTRY:
        raise bad("figure", repr(name), f"one of {', '.join(REGISTRY)}", "choose one of them")
    module, function = REGISTRY[name].split(":")
    result = read_json(metrics)
    with style():
        figure = getattr(import_module(module), function)(Path(tables), result)
        save(figure, result, Path(svg), Path(png))
