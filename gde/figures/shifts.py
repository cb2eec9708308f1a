"""True against predicted shifts of genes, for the held-out perturbations that shift most."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from gde.config.words import PROTOCOLS
from gde.figures.read import label, read_table
from gde.figures.style import BLUE, GREY, ORANGE, SMALLEST, dot, name_points, new

NAMED = 5  # genes written beside their dots


def draw(tables: Path, result: dict) -> Figure:
    """One panel for each perturbation: blue the model, orange the mean shift of training perturbations."""
    table, units = read_table(tables, "shifts")
    titles = list(dict.fromkeys(zip(table["part"], table["group"], strict=True)))
    columns = min(4, len(titles))
    rows = -(-len(titles) // columns)
    figure, axes = new(rows, columns, height=0.6 + 1.9 * rows)
    for ax in axes.flat[len(titles) :]:
        ax.set_axis_off()
    for ax, (part, group) in zip(axes.flat, titles, strict=False):
        own = table[(table["part"] == part) & (table["group"] == group)]
        end = 1.05 * np.abs(own[["true", "predicted"]].to_numpy()).max() or 1.0
        ax.plot([-end, end], [-end, end], "--", color=GREY, lw=0.8)
        ax.scatter(own["train_mean"], own["true"], s=5, color=ORANGE, alpha=0.5, linewidths=0, rasterized=True)
        ax.scatter(own["predicted"], own["true"], s=6, color=BLUE, alpha=0.7, linewidths=0, rasterized=True)
        ax.set_xlim(-end, end)
        ax.set_ylim(-end, end)
        first = own.head(NAMED)
        name_points(ax, first["predicted"], first["true"], first["label"], NAMED)
        ax.set_title(f"{group}\n{PROTOCOLS.get(part, part)}", fontsize=7)
        ax.tick_params(labelsize=SMALLEST)
    figure.supxlabel(label("predicted shift", units["predicted"]), fontsize=9)
    figure.supylabel(label("true shift", units["true"]), fontsize=9)
    handles = [dot(BLUE, label="a gene, by the model"), dot(ORANGE, label="a gene, by the mean shift of training")]
    figure.legend(handles=handles, loc="outside upper left", ncols=2, fontsize=7, handletextpad=0.2)
    return figure
