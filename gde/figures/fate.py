"""Fates of held-out clones, predicted from their early cells: true against predicted shares of each cell type."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from gde.config.words import baseline_words
from gde.figures.read import left_out, read_table
from gde.figures.style import BLACK, GREY, above, categories, new, note


def draw(tables: Path, result: dict) -> Figure:
    """Left: one dot for each clone and cell type. Right: divergence by what is looked at; line: mean composition."""
    if (why := left_out(tables, "fate", "fate")) is not None:
        return note(why)
    table, _ = read_table(tables, "fate")
    figure, axes = new(1, 2, height=3.4, width_ratios=[1.2, 1])
    left, right = axes[0]
    left.plot([0, 1], [0, 1], "--", color=GREY, lw=1)
    for name, (colour, marker) in categories(table["label"]).items():
        own = table[table["label"] == name]
        left.scatter(own["gde"], own["share"], s=12, color=colour, marker=marker, alpha=0.6, linewidths=0, label=name)
    left.set_xlabel("predicted share")
    left.set_ylabel("share among late cells")
    above(left, fontsize=6.5, handletextpad=0.1)
    r2 = result["metrics"]["fate/r2"]
    title = f"R² {r2['value']:.2f} [{r2['ci'][0]:.2f}, {r2['ci'][1]:.2f}]; a dot is a cell type of a clone"
    figure.suptitle(title.replace("-", "−"), x=0.01, ha="left")
    js = result["metrics"]["fate/js"]
    values = {"gde": js["value"], **js["baselines"]}
    for i, value in enumerate(values.values()):  # no colour of a cell type
        right.plot(value, i, "o" if i == 0 else "D", color=BLACK, ms=6, mfc=BLACK if i == 0 else "white")
    right.plot(js["ci"], [0, 0], color=GREY, lw=4, alpha=0.5, solid_capstyle="butt")
    right.axvline(js["chance"], color=GREY, lw=1.2)
    right.annotate("mean composition", (js["chance"], 1), (-3, -8), xycoords=("data", "axes fraction"),
                   textcoords="offset points", fontsize=7, color=GREY, rotation=90, ha="right", va="top")  # fmt: skip
    right.set_yticks(range(len(values)), ["embedding", *map(baseline_words, js["baselines"])], fontsize=7)
    right.set_ylim(len(values) - 0.5, -0.5)
    right.set_xlim(0, 1.08 * np.max([*values.values(), js["chance"], js["ci"][1]]))
    right.set_xlabel("Jensen-Shannon divergence (bits)")
    right.set_ylabel("predicted from")
    right.set_title("Lower is better", fontsize=8)
    return figure
