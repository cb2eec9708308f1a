"""Cells on the published map, coloured by how much their clone's early cells told about its late ones."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from gde.figures.read import label, left_out, read_table
from gde.figures.style import GREY, SEQUENTIAL, new, note


def draw(tables: Path, result: dict) -> Figure:
    """One panel for all clones, one for those held out alone; grey: cells beside those whose value is drawn."""
    if (why := left_out(tables, "spring", "information")) is not None:
        return note(why)
    table, units = read_table(tables, "spring")
    x, y = ("spring_x", "spring_y") if "spring_x" in table else ("pc_1", "pc_2")
    parts = list(dict.fromkeys(table["part"]))
    figure, axes = new(1, len(parts), height=3.6, sharex=True, sharey=True)
    for ax, part in zip(axes[0], parts, strict=True):
        own = table[table["part"] == part]
        ground = table if part == "all" else own  # no clone that trained in a panel of held-out ones
        ax.scatter(ground[x], ground[y], s=2, color=GREY, alpha=0.15, linewidths=0, rasterized=True)
        low, high = np.quantile(own["bits"], [0.02, 0.98])
        order = np.argsort(own["bits"].to_numpy(), kind="stable")
        dots = ax.scatter(*(own[c].to_numpy()[order] for c in (x, y)), c=own["bits"].to_numpy()[order], cmap=SEQUENTIAL,
                          vmin=low, vmax=max(high, low + 1e-9), s=4, linewidths=0, rasterized=True)  # fmt: skip
        bar = figure.colorbar(dots, ax=ax, fraction=0.04, aspect=30, pad=0.02)
        bar.set_label("pointwise information (bits)", fontsize=8)
        bar.outline.set_visible(False)
        ax.set_title({"all": "All clones, embedding", "held out": "Held-out clones, projection"}.get(part, part))
        ax.set_xlabel("SPRING x" if x == "spring_x" else label(x, units[x]))
    axes[0, 0].set_ylabel("SPRING y" if y == "spring_y" else label(y, units[y]))
    return figure
