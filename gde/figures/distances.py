"""Distances between groups, in the order of their tree."""

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from gde.figures.read import of_groups, read_table
from gde.figures.style import note
from gde.files.io import read_json
from gde.pl.heatmap import draw_distances, size
from gde.tl.pairwise import tree


def draw(tables: Path, result: dict) -> Figure:
    """Matrix, tree and strips of what groups are."""
    about = read_json(tables / "about.json")
    if about["why"]:
        return note(about["why"])
    table, units = read_table(tables, "distances")
    own = [name for name in table.columns if units[name] == "latent units"]
    matrix = table[own].to_numpy(dtype=float)
    matrix = (matrix + matrix.T) / 2  # digits that the table left out
    np.fill_diagonal(matrix, 0.0)
    columns = [name for name in table.columns if name not in (*own, "name")]
    wide, high = size(len(matrix))
    figure = Figure(figsize=(wide, high + 0.3), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(f"Distances between {of_groups(len(matrix), about)}", x=0.01, ha="left")
    draw_distances(figure, matrix, tree(matrix), list(table["name"]), table[columns], about["no_strip"])
    return figure
