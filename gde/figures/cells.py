"""Control, real and generated cells of the held-out perturbations that shift most."""

from pathlib import Path

from matplotlib.figure import Figure

from gde.figures.read import label, read_table
from gde.figures.style import BLACK, GREY, MODEL, equal_limits, new


def draw(tables: Path, result: dict) -> Figure:
    """Above real, below generated cells, one column a perturbation; grey: controls."""
    table, units = read_table(tables, "cells")
    titles = list(dict.fromkeys(zip(table["part"], table["group"], strict=True)))[:6]
    figure, axes = new(2, len(titles), height=3.3, width=0.6 + 1.25 * len(titles), sharex="col", sharey="col")
    for column, (part, group) in enumerate(titles):
        own = table[(table["part"] == part) & (table["group"] == group)]
        for ax, source, colour in zip(axes[:, column], ("truth", "generated"), (BLACK, MODEL), strict=True):
            for name, tint, alpha in (("control", GREY, 0.3), (source, colour, 0.6)):
                cloud = own[own["source"] == name]
                ax.scatter(cloud["pc_1"], cloud["pc_2"], s=4, color=tint, alpha=alpha, linewidths=0, rasterized=True)
            ax.tick_params(labelsize=6)
        equal_limits(axes[:, column], own["pc_1"].to_numpy(), own["pc_2"].to_numpy())
        axes[0, column].set_title(f"{group}\n{part.replace('_', ' ')}", fontsize=7, loc="center")
    axes[0, 0].set_ylabel("real")
    axes[1, 0].set_ylabel("generated")
    figure.supxlabel(label("pc_1", units["pc_1"]), fontsize=9)
    figure.supylabel(label("pc_2", units["pc_2"]), fontsize=9)
    return figure
