"""Mutations over time: their share of the real and of the generated sequences of every month."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gde.figures.read import left_out, read_table
from gde.figures.style import MODEL, TRUTH, new, note

AT_MOST = 12  # panels: those whose real share varies most


def draw(tables: Path, result: dict) -> Figure:
    """A panel for each mutation; bands are 95 % of what as many sequences would show by chance."""
    if (why := left_out(tables, "sweeps", "sweeps")) is not None:
        return note(why)
    table, _ = read_table(tables, "sweeps")
    real = table[table["source"] == "real"].groupby("label")["share"]
    names = (real.max() - real.min()).sort_values(ascending=False, kind="stable").index[:AT_MOST]
    order = sorted(names, key=lambda name: int("".join(c for c in name if c.isdigit())))
    columns = min(4, len(order))
    rows = -(-len(order) // columns)
    figure, axes = new(rows, columns, height=0.7 + 1.55 * rows, sharex=True, sharey=True)
    for ax, name in zip(axes.ravel(), order, strict=False):
        panel(ax, table[table["label"] == name])
        ax.set_title(name, fontsize=8)
    for ax in axes.ravel()[len(order) :]:
        ax.set_axis_off()
    for ax in axes.ravel()[max(0, len(order) - columns) : len(order)]:  # also those above an empty place
        ax.tick_params(labelbottom=True)
    figure.supxlabel(f"months since December 2019; mutations are those of {frame_of(table)}", fontsize=8)
    figure.supylabel("share of sequences", fontsize=8)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=2)
    if (metric := result["metrics"].get("sweeps/error")) is not None:
        month_before = metric["baselines"]["month_before"]
        text = f"off by {metric['value']:.3f} on average; the month before {month_before:.3f}"
        if len(order) < len(real):
            text += f"; {len(order)} of {len(real)} mutations"
        figure.suptitle(text, fontsize=8.5)
    return figure


def frame_of(table) -> str:
    """What sites are numbered by, and mutations named after."""
    return table["frame"].iloc[0]


def panel(ax: Axes, table) -> None:
    for source, colour, marker in (("real", TRUTH, "o"), ("generated", MODEL, "s")):
        own = table[table["source"] == source].sort_values("month")
        width = 1.96 * np.sqrt(own["share"] * (1 - own["share"]) / own["n_samples"].clip(lower=1))
        ax.fill_between(own["month"], (own["share"] - width).clip(0, 1), (own["share"] + width).clip(0, 1),
                        color=colour, alpha=0.18, linewidth=0)  # fmt: skip
        ax.plot(own["month"], own["share"], "-", color=colour, marker=marker, ms=3, lw=1, label=source)
    ax.set_ylim(-0.03, 1.03)
