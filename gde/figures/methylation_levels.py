"""Methylation levels: how much of a read is methylated: real and generated reads of some tissues."""

from pathlib import Path

from matplotlib.figure import Figure

from gde.figures.read import read_table
from gde.figures.style import MODEL, TRUTH, new

COLUMNS = 3


def draw(tables: Path, result: dict) -> Figure:
    """A panel for each tissue: bars the held-out reads, the line those generated."""
    table, _ = read_table(tables, "methylation_levels")
    names = list(dict.fromkeys(table["label"]))
    rows = -(-len(names) // COLUMNS)
    figure, axes = new(rows, min(COLUMNS, len(names)), height=1.9 * rows + 0.4, sharex=True, sharey=True)
    for ax in axes.flat[len(names) :]:
        ax.set_axis_off()
    for ax, name in zip(axes.flat, names, strict=False):
        own = table[table["label"] == name]
        real, made = (own[own["source"] == source] for source in ("truth", "generated"))
        ax.bar(real["level"], real["share"], width=0.095, color=TRUTH, alpha=0.55, label="held-out reads")
        ax.plot(made["level"], made["share"], color=MODEL, marker="o", ms=3, lw=1.2, label="generated reads")
        ax.set_title(name, fontsize=8)
    axes[0, 0].set_ylim(0, 1.05 * table["share"].max())
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper left", ncols=2)
    figure.supxlabel("methylated share of a read's CpGs", fontsize=9)
    figure.supylabel("share of reads", fontsize=9)
    return figure
