"""Site by site: how many generated and how many real sequences differ from the reference."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from gde.figures.epidemic_sweeps import frame_of
from gde.figures.read import left_out, read_table
from gde.figures.style import GREY, MODEL, TRUTH, new, note

NAMED = 8  # sites with their names
APART = 0.06  # shares between two names; of sites closer together, such as those of a lineage, one has its name


def draw(tables: Path, result: dict) -> Figure:
    """Left: a dot for each site. Right: along the protein, real upwards and generated downwards."""
    if (why := left_out(tables, "sites", "sweeps")) is not None:
        return note(why)
    table, _ = read_table(tables, "sites")
    figure, axes = new(1, 2, height=3.1, width_ratios=(1, 1.6))
    ax = axes[0, 0]
    ax.plot([0, 1], [0, 1], "--", color=GREY, lw=0.8, zorder=0)
    ax.scatter(table["real"], table["generated"], s=12, color=MODEL, alpha=0.7, linewidths=0)
    ax.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), aspect="equal")
    ax.set_xlabel("real (share of sequences)", fontsize=8)
    ax.set_ylabel("generated (share of sequences)", fontsize=8)
    named = []
    most = np.maximum(table["real"], table["generated"])
    for i in most[most >= APART].sort_values(ascending=False, kind="stable").index:
        row = table.loc[i]
        if len(named) == NAMED or any(np.hypot(*(row[["real", "generated"]] - other)) < APART for other in named):
            continue
        named.append(row[["real", "generated"]])
        ax.annotate(row["label"], (row["real"], row["generated"]), (3, 3), textcoords="offset points", fontsize=6,
                    color=GREY)  # fmt: skip
    if (metric := result["metrics"].get("sites/pearson")) is not None:
        training = metric["baselines"]["training"]
        ax.set_title(f"r = {metric['value']:.2f}; training sequences {training:.2f}", fontsize=8)
    ax = axes[0, 1]
    ax.vlines(table["site"], 0, table["real"], color=TRUTH, lw=1.1, label="real")
    ax.vlines(table["site"], 0, -table["generated"], color=MODEL, lw=1.1, label="generated")
    ax.axhline(0, color="#333333", lw=0.6)
    ax.set_yticks([-1, -0.5, 0, 0.5, 1], ["1", "0.5", "0", "0.5", "1"])
    ax.set_xlabel(f"site of {frame_of(table)}", fontsize=8)
    ax.set_ylabel("share that differs", fontsize=8)
    ax.legend(fontsize=7, ncol=2, loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0.2)
    return figure
