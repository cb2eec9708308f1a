"""Cells generated half way between two days, and their distance to the held-out day between."""

from pathlib import Path

from matplotlib.figure import Figure

from gde.figures.read import label, left_out, read_table
from gde.figures.style import BLUE, CYCLE, GREEN, new, note

TITLES = {"model": "generated between", "first_day": "cells of the first day", "last_day": "cells of the last day",
          "mixture": "mixture of both", "ceiling": "other cells of the day"}  # fmt: skip
NAMES = {"w2": "W2", "mmd": "MMD", "energy": "energy distance"}


def draw(tables: Path, result: dict) -> Figure:
    """One panel for each distance: a dot for each pool of held-out clones, a line at the mean."""
    if (why := left_out(tables, "days", "days")) is not None:
        return note(why)
    table, units = read_table(tables, "days")
    figure, axes = new(1, 3, height=2.7, sharey=True)
    sources = [s for s in TITLES if s in set(table["source"])]
    for ax, (name, title) in zip(axes[0], NAMES.items(), strict=True):
        for i, source in enumerate(sources):
            own = table.loc[table["source"] == source, name]
            colour = {"model": BLUE, "ceiling": GREEN}.get(source, CYCLE[1])
            ax.scatter(own, [i] * len(own), s=14, color=colour, alpha=0.6, linewidths=0)
            ax.plot([own.mean()] * 2, [i - 0.3, i + 0.3], color=colour, lw=2)
        ax.set_xlabel(label(title, units[name]))
        ax.axvline(0, color="#DDDDDD", lw=0.8, zorder=0)
    axes[0, 0].set_yticks(range(len(sources)), [TITLES[s] for s in sources])
    axes[0, 0].set_ylim(len(sources) - 0.5, -0.5)
    axes[0, 0].set_ylabel("distance of")
    title = "Distance to cells of the day between: a dot a pool of held-out clones, a bar the mean; lower is better"
    figure.suptitle(title, x=0.01, ha="left", fontsize=9)
    return figure
