"""Do generated sequences have the expression they were generated for? Target against what the oracle says of them."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gde.figures.read import read_table
from gde.figures.style import GREY, MODEL, ORANGE, TRUTH, dot, new

LOOK = {
    "real": (TRUTH, "o", "real, held out"),
    "independent_tokens": (ORANGE, "v", "independent tokens"),
    "generated": (MODEL, "o", "generated"),
}
AT_MOST = 6  # panels


def draw(tables: Path, result: dict) -> Figure:
    """A panel for each condition: mean of the oracle's scores, with its standard error, against the measured mean of
    the set; crosses: sets of which nothing trains. Last: the oracle on single held-out sequences."""
    table, _ = read_table(tables, "expression")
    oracle, _ = read_table(tables, "oracle")
    conditions = sorted(set(table["label"]))[:AT_MOST]
    columns = min(3, len(conditions) + 1)
    rows = -(-(len(conditions) + 1) // columns)
    figure, axes = new(rows, columns, height=0.6 + 2.3 * rows)
    flat = axes.ravel()
    for ax, name in zip(flat, conditions, strict=False):
        panel(ax, table[table["label"] == name])
        ax.set_title(name, fontsize=9)
    scatter(flat[len(conditions)], oracle, result["metrics"]["oracle/pearson"])
    for ax in flat[len(conditions) + 1 :]:
        ax.set_axis_off()
    handles, names = flat[0].get_legend_handles_labels()
    if (table["part"] == "held out whole").any():
        handles.append(dot(GREY, "x", mew=1.3))
        names.append("nothing of it trains")
    figure.legend(handles, names, loc="outside lower left", ncols=4)
    metric = result["metrics"]["expression/spearman"]
    text = f"Rank correlation of target and oracle {metric['value']:.2f}; of real sequences {metric['ceiling']:.2f}"
    if (total := table["label"].nunique()) > len(conditions):
        text += f"; {len(conditions)} of {total} conditions"
    figure.suptitle(text, fontsize=9, x=0.01, ha="left")
    return figure


def panel(ax: Axes, table) -> None:
    """One condition."""
    for source, (colour, marker, name) in LOOK.items():
        own = table[table["source"] == source].sort_values("measured")
        error = own["sd"] / np.sqrt(own["n_samples"])
        whole = (own["part"] == "held out whole").to_numpy()
        ax.errorbar(own["measured"], own["oracle"], error, fmt="none", ecolor=colour, elinewidth=0.6, alpha=0.5)
        ax.scatter(own["measured"][~whole], own["oracle"][~whole], s=12, color=colour, marker=marker, linewidths=0,
                   label=name)  # fmt: skip
        ax.scatter(own["measured"][whole], own["oracle"][whole], s=30, color=colour, marker="x", linewidths=1.3)
    ends = table["measured"].min(), table["measured"].max()
    ax.plot(ends, ends, "--", color=GREY, lw=0.8, zorder=0)
    ax.set_xlabel("measured mean of the set")
    ax.set_ylabel("oracle's mean")


def scatter(ax: Axes, table, metric: dict) -> None:
    """The oracle itself."""
    ax.scatter(table["measured"], table["oracle"], s=4, color=TRUTH, alpha=0.5, linewidths=0, rasterized=True)
    ends = table["measured"].min(), table["measured"].max()
    ax.plot(ends, ends, "--", color=GREY, lw=0.8)
    ax.set_xlabel("measured, one sequence")
    ax.set_ylabel("oracle")
    ax.set_title(f"Oracle: r = {metric['value']:.2f}", fontsize=9)
