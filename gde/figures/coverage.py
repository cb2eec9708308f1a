"""Coverage: are the standard errors of embeddings right? Nominal against actual coverage of the intervals built from
them."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from gde.figures.read import read_table
from gde.figures.style import BLUE, GREEN, GREY, ORANGE, PURPLE, above, new, note

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
        right.annotate(f"{100 * each.mean():.1f} %", (place + 0.34, each.mean()), (2, 0), textcoords="offset points",
                       va="center", fontsize=7)  # fmt: skip
    for ax in (left, right):
        ax.yaxis.set_major_formatter(PercentFormatter(1))
    left.xaxis.set_major_formatter(PercentFormatter(1))
    left.set_xlabel("nominal level of the interval")
    left.set_ylabel("intervals that hold the limit")
    right.set_xticks(range(len(sizes)), [f"{size:,}" for size in sizes.groups])
    right.set_xlabel("samples in the set")
    right.set_ylabel("coverage of 95 % intervals")
    low, high = metric["ci"]
    title = f"95 % intervals hold {100 * metric['value']:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"
    above(left, title=title, alignment="left", title_fontsize=8, ncols=2)
    above(right, title="A dot a coordinate, a bar their mean", alignment="left", title_fontsize=8)
    right.set_xlim(-0.5, len(sizes) - 0.2)
    return figure
