"""Figures, each drawn from its tables and metrics.json alone. Importing this costs nothing: the Snakefile does."""

import os
from importlib import import_module
from pathlib import Path

from gde.config.figures import module_of


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
