"""The probability simplex as the embedding sees it, beside optimal transport."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gde.figures.read import label, left_out, read_table
from gde.figures.style import GREY, SEQUENTIAL, new, note

CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, 0.75**0.5]])
PANELS = (("latent_distance", "embedding"), ("w2", "transport"))


def draw(tables: Path, result: dict) -> Figure:
    """Ternary maps of the distance from (1/3, 1/3, 1/3): latent and W2."""
    if (why := left_out(tables, "simplex", "geometry/simplex")) is not None:
        return note(why)
    table, units = read_table(tables, "simplex")
    place = table[["p_1", "p_2", "p_3"]].to_numpy() @ CORNERS
    figure, axes = new(1, 2, height=3.4)
    for ax, (column, title) in zip(axes[0], PANELS, strict=True):
        picture = ax.tripcolor(*place.T, table[column], shading="gouraud", cmap=SEQUENTIAL, vmin=0)
        ax.scatter(*place.T, s=4, color="white", alpha=0.6, linewidths=0)
        _corners(ax, [str(table[f"name_{k}"].iloc[0]) if f"name_{k}" in table else f"p{k} = 1" for k in (1, 2, 3)])
        bar = figure.colorbar(picture, ax=ax, fraction=0.05, aspect=26, pad=0.02)
        bar.set_label(f"distance from the centre ({units[column]})", fontsize=8)
        bar.outline.set_visible(False)
        ax.set_title(title)
        ax.set_xlabel(label("latent distance" if column == "latent_distance" else "W2 (normal approximation)", ""))
    metric = result["metrics"]["geometry/simplex_pearson"]
    low, high = metric["ci"]
    figure.suptitle(
        f"Simplex of 55 distributions: Pearson of all their distances {metric['value']:.4f} [{low:.4f}, {high:.4f}]",
        x=0.01,
        ha="left",
    )
    return figure


def _corners(ax: Axes, names: list[str]) -> None:
    """No box but the corners' names: where a category is certain."""
    ax.set_aspect("equal")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
    ax.set_xlim(-0.1, 1.1)
    ax.set_ylim(-0.1, 0.98)
    for k, (x, y) in enumerate(CORNERS):
        ax.annotate(names[k], (x, y), (0, 5 if y else -5), textcoords="offset points", ha="center",
                    va="bottom" if y else "top", fontsize=8, color=GREY)  # fmt: skip
