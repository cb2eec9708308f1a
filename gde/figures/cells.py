"""Control, real and generated cells of the held-out perturbations that shift most."""

import textwrap
from pathlib import Path

from matplotlib.figure import Figure

from gde.config.words import PROTOCOLS
from gde.figures.read import label, read_table
from gde.figures.style import BLACK, GREY, MODEL, SMALLEST, WIDTH, dot, equal_limits, new


def draw(tables: Path, result: dict) -> Figure:
    """Above real, below generated cells, one column a perturbation; grey: controls."""
    table, units = read_table(tables, "cells")
    titles = list(dict.fromkeys(zip(table["part"], table["group"], strict=True)))[:6]
    width = min(WIDTH, 0.8 + 1.25 * len(titles))
    figure, axes = new(2, len(titles), height=3.3, width=width, sharex="col", sharey="col")
    for column, (part, group) in enumerate(titles):
        own = table[(table["part"] == part) & (table["group"] == group)]
        for ax, source, colour in zip(axes[:, column], ("truth", "generated"), (BLACK, MODEL), strict=True):
            for name, tint, alpha in (("control", GREY, 0.3), (source, colour, 0.6)):
                cloud = own[own["source"] == name]
                ax.scatter(cloud["pc_1"], cloud["pc_2"], s=4, color=tint, alpha=alpha, linewidths=0, rasterized=True)
            ax.tick_params(labelsize=SMALLEST)
        equal_limits(axes[:, column], own["pc_1"].to_numpy(), own["pc_2"].to_numpy())
        title = textwrap.fill(f"{group}: {PROTOCOLS.get(part, part)}", 17)
        axes[0, column].set_title(title, fontsize=6.5, loc="center")
    axes[0, 0].set_ylabel("real")
    axes[1, 0].set_ylabel("generated")
    figure.supxlabel(label("pc_1", units["pc_1"]), fontsize=9)
    figure.supylabel(label("pc_2", units["pc_2"]), fontsize=9)
    handles = [dot(c, label=f"{what} cells") for c, what in ((GREY, "control"), (BLACK, "real"), (MODEL, "generated"))]
    figure.legend(handles=handles, loc="outside upper left", ncols=3, fontsize=7, handletextpad=0.2)
    return figure
