"""The path of an epidemic through latent space: countries and months, coloured by time, and where it was said to go."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gde.figures.read import label, read_table
from gde.figures.style import BLACK, GREY, ORANGE, SEQUENTIAL, VERMILION, categories, dot, new

PARTS = {"trained": ("o", "trained"), "held out": ("^", "held out"), "held out in time": ("X", "held out in time")}
MANY = 12  # countries in a legend


def draw(tables: Path, result: dict) -> Figure:
    """Left: embeddings of countries in months, coloured by month. Middle: by country. Right, where months are held out
    whole: mean embedding of each month, and what a line through the earlier ones predicts."""
    table, units = read_table(tables, "embedding")
    future = tables / "future.tsv"
    columns = 3 if future.is_file() else 2
    figure, axes = new(1, columns, height=3.8)
    by_month(figure, axes[0, 0], table)
    by_country(axes[0, 1], table)
    if columns == 3:
        path(axes[0, 2], read_table(tables, "future")[0], result)
    for ax in axes[0]:
        ax.set_xlabel(label("pc_1", units["pc_1"]).replace("latent units, ", ""), fontsize=8)
    axes[0, 0].set_ylabel(label("pc_2", units["pc_2"]).replace("latent units, ", ""), fontsize=8)
    return figure


def by_month(figure: Figure, ax: Axes, table) -> None:
    ends = {"vmin": table["month"].min(), "vmax": table["month"].max()}
    for part, (marker, name) in PARTS.items():
        own = table[table["part"] == part]
        if len(own):
            dots = ax.scatter(own["pc_1"], own["pc_2"], c=own["month"], s=20, marker=marker, linewidths=0,
                              cmap=SEQUENTIAL, label=name, **ends)  # fmt: skip
    marks = [dot(GREY, marker, label=name) for part, (marker, name) in PARTS.items() if (table["part"] == part).any()]
    ax.legend(handles=marks, loc="upper left", bbox_to_anchor=(0, -0.18), fontsize=7, handletextpad=0.1)
    bar = figure.colorbar(dots, ax=ax, location="top", fraction=0.05, aspect=28, pad=0.03)
    bar.set_label("months since December 2019", fontsize=7)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=7)


def by_country(ax: Axes, table) -> None:
    look = categories(table["label"])
    shown = set(table["label"].value_counts().index[:MANY])
    for name, (colour, marker) in look.items():
        own = table[table["label"] == name]
        ax.scatter(own["pc_1"], own["pc_2"], s=16, color=colour, marker=marker, linewidths=0, alpha=0.8,
                   label=name if name in shown else None)  # fmt: skip
    ax.legend(loc="upper left", bbox_to_anchor=(0, -0.18), fontsize=6.5, ncols=3, handletextpad=0.1, columnspacing=0.6)
    ax.set_title(f"{len(look)} countries" if len(look) > 1 else "", fontsize=8)


def path(ax: Axes, table, result: dict) -> None:
    """Months one after the other; the intervals are those of the prediction."""
    past, true, guess = (table[table["source"] == source] for source in ("past", "true", "predicted"))
    ax.plot(past["pc_1"], past["pc_2"], "-o", color=GREY, ms=3, lw=0.8, label="months before")
    whole = np.concatenate([past[["pc_1", "pc_2"]].to_numpy()[-1:], true[["pc_1", "pc_2"]].to_numpy()])
    ax.plot(*whole.T, "-X", color=BLACK, ms=5, lw=0.8, label="held out")
    errors = [np.abs(guess[[f"low_{i}", f"high_{i}"]].to_numpy().T - guess[f"pc_{i}"].to_numpy()) for i in (1, 2)]
    ax.errorbar(guess["pc_1"], guess["pc_2"], errors[1], errors[0], fmt="D", color=VERMILION, ms=4, lw=0.7,
                label="predicted, 95 %")  # fmt: skip
    last = table[table["source"] == "persistence"].iloc[:1]
    ax.scatter(last["pc_1"], last["pc_2"], marker="s", s=26, color=ORANGE, zorder=3, label="last month")
    ax.legend(loc="upper left", bbox_to_anchor=(0, -0.18), fontsize=7, ncols=2, columnspacing=0.6)
    metric = result["metrics"].get("extrapolation/distance")
    if metric is not None:
        text = f"off by {metric['value']:.2f}; last month {metric['baselines']['persistence']:.2f}"
        ax.set_title(text, fontsize=8)
