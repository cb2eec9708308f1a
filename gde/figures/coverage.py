"""Coverage: are the standard errors of embeddings right? Nominal against actual coverage of the intervals built from
them."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from gde.figures.read import read_table
from gde.figures.style import BLUE, GREEN, GREY, ORANGE, PURPLE, new, note

LEVEL = 0.95
BAND = (0.93, 0.97)


def draw(tables: Path, result: dict) -> Figure:
    """Left: coverage against nominal level, by set size. Right: at 95 %, every coordinate of the embedding."""
    metric = result["metrics"].get("clt/coverage")
    if metric is None:
        return note("not evaluated: evaluation.clt is false, or evaluation.coverage_replicates 0")
    table, _ = read_table(tables, "coverage")
    figure, axes = new(1, 2, height=3.3)
    left, right = axes[0]
    left.plot([0.45, 1], [0.45, 1], "--", color=GREY, lw=1.2, label="as promised")
    right.axhspan(*BAND, color=GREEN, alpha=0.15, lw=0, label="93 to 97 %")
    right.axhline(LEVEL, color=GREY, lw=1.2, ls="--")
    sizes = table.groupby("n_samples")
    for place, ((size, own), colour) in enumerate(zip(sizes, (BLUE, ORANGE, PURPLE), strict=True)):
        mean = own.groupby("nominal")["coverage"].mean()
        left.plot(mean.index, mean, "o-", color=colour, ms=4, lw=1.2, label=f"sets of {size:,}")
        each = own.loc[np.isclose(own["nominal"], LEVEL), "coverage"].to_numpy()
        spread = 0.5 * (np.arange(len(each)) / max(1, len(each) - 1) - 0.5)
        right.scatter(place + spread, each, s=9, color=colour, alpha=0.6, linewidths=0)
        right.plot([place - 0.32, place + 0.32], [each.mean()] * 2, color=colour, lw=2)
        right.annotate(f"{100 * each.mean():.1f} %", (place, each.mean()), (0, 4), textcoords="offset points",
                       ha="center", fontsize=8)  # fmt: skip
    for ax in (left, right):
        ax.yaxis.set_major_formatter(PercentFormatter(1))
    left.xaxis.set_major_formatter(PercentFormatter(1))
    left.set_xlabel("nominal level of the interval")
    left.set_ylabel("intervals that hold the limit")
    left.legend()
    right.set_xticks(range(len(sizes)), [f"{size:,}" for size in sizes.groups])
    right.set_xlabel("samples in the set")
    right.set_ylabel("coverage of 95 % intervals")
    right.legend(loc="lower right")
    low, high = metric["ci"]
    left.set_title(f"95 % intervals: {100 * metric['value']:.1f} %  [{100 * low:.1f}, {100 * high:.1f}]")
    right.set_title("One dot a coordinate of the embedding")
    return figure
