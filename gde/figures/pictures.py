"""Real and generated images of held-out sets, side by side."""

import textwrap
from pathlib import Path

from matplotlib.figure import Figure

from gde.figures.read import drawn_of, read_table
from gde.figures.sheet import coloured, images_of, scale_bar, sheet, show, window
from gde.figures.style import WIDTH, new

SOURCES = {"truth": "real, held out", "generated": "generated from the embedding"}


def draw(tables: Path, result: dict) -> Figure:
    """A row for each set; left real images, right generated ones. Intensities are those of the real images' window."""
    table, _ = read_table(tables, "pictures")
    table["set"] = table["set"].astype(str)
    sets, channels = list(dict.fromkeys(table["set"])), list(dict.fromkeys(table["channel"].astype(str)))
    limits = window(images_of(table[table["source"] == "truth"]))
    h, w = int(table["height"].iloc[0]), int(table["width"].iloc[0])
    shown = {
        source: [images_of(table[(table["set"] == name) & (table["source"] == source)]) for name in sets]
        for source in SOURCES
    }
    many = max(len(images) for images in shown["truth"])
    row = (WIDTH - 1.4) / 2 / many * h / w  # inches
    figure, axes = new(1, 2, height=row * len(sets) + 0.75, sharey=True)
    for ax, (source, title) in zip(axes[0], SOURCES.items(), strict=True):
        show(ax, sheet([coloured(images, limits, channels) for images in shown[source]]))
        ax.set_title(title, fontsize=8.5)
        scale_bar(ax, float(table["pixel_size"].iloc[0]), w)
    axes[0, 0].set_yticks([(h + 2) * (i + 0.5) for i in range(len(sets))], [_name(name) for name in sets], fontsize=6.5)
    axes[0, 0].tick_params(length=0)
    names = "" if channels == [str(i) for i in range(len(channels))] else f"; channels {', '.join(channels)}"
    heading = f"Images of {drawn_of(len(sets), result | {'held_out': len(sets)}, 'held-out set')}{names}"
    figure.suptitle(heading, x=0.01, ha="left", fontsize=10)
    return figure


def _name(name: str) -> str:
    return "\n".join(textwrap.fill(part, 18) for part in name.split(", "))
