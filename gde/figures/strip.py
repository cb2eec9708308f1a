"""Images generated along a line between the embeddings of two classes."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from gde.figures.read import left_out, read_table
from gde.figures.sheet import coloured, images_of, sheet, show, window
from gde.figures.style import WIDTH, new, note


def draw(tables: Path, result: dict) -> Figure:
    """A column for each step of the line, images of it below each other."""
    if (why := left_out(tables, "strip", "geometry")) is not None:
        return note(why)
    table, _ = read_table(tables, "strip")
    table["set"] = table["set"].astype(str)
    steps, channels = list(dict.fromkeys(table["set"])), list(dict.fromkeys(table["channel"].astype(str)))
    every = images_of(table)
    limits = window(every)
    shown = [coloured(images_of(table[table["set"] == step]), limits, channels) for step in steps]
    rows = [[images[i] for images in shown] for i in range(len(shown[0]))]
    h, w = every.shape[2:]
    width = min(WIDTH, 0.75 * len(steps) + 0.6)
    figure, axes = new(height=width / len(steps) * len(rows) * h / w + 0.7, width=width)
    ax = axes[0, 0]
    show(ax, sheet([np.stack(row) for row in rows]))
    ax.set_xticks(
        [(w + 2) * (i + 0.5) for i in range(len(steps))], [f"{float(step):.2f}" for step in steps], fontsize=7
    )
    ax.tick_params(length=0)
    first, second = table["first"].iloc[0], table["second"].iloc[0]
    ax.set_xlabel(f"place on the line from the embedding of {first} (0) to that of {second} (1)", fontsize=8)
    figure.suptitle("Generated between two held-out sets", x=0.01, ha="left", fontsize=10)
    return figure
