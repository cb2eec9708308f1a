"""Training and validation loss against steps."""

from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from gde.figures.read import read_table
from gde.figures.style import BLUE, GREY, ORANGE, above, new

LOOK = {
    "train": {"color": BLUE, "lw": 1.0, "alpha": 0.8, "label": "training"},
    "validation": {"color": ORANGE, "lw": 1.6, "marker": "o", "ms": 3, "label": "validation (averaged weights)"},
}
DECADE = 10.0  # ratio of largest to smallest loss from which the scale is logarithmic
# Why validation may lie below training: neither dropout, which nothing here has, nor the averaged weights (of pbmc68k
# 0.741 against 0.740 of the last ones), nor smaller sets. Features such as principal components are fitted to training
# samples, and held-out ones vary less along them (of pbmc68k half as much), which leaves less to generate.
LEVELS = (
    "Compare courses, not levels: validation is one fixed batch of held-out sets, and held-out samples\n"
    "vary less along features, such as principal components, that were fitted to training samples."
)


def draw(tables: Path, result: dict) -> Figure:
    """Logarithmic where every loss is positive (a likelihood may be negative) and they span a decade; the title tells
    the budget."""
    table, _ = read_table(tables, "loss")
    figure, axes = new(height=3.1)
    ax = axes[0, 0]
    for quantity, look in LOOK.items():
        own = table[table["quantity"] == quantity]
        if len(own):
            ax.plot(own["step"], own["loss"], **look)
    low, high = table["loss"].min(), table["loss"].max()
    logarithmic = low > 0 and high > DECADE * low
    if logarithmic:
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter("{x:g}")
        ax.yaxis.set_minor_formatter(NullFormatter())
    else:
        high = table["loss"].quantile(0.98) if low <= 0 else high  # the first steps would hide the rest
        ax.set_ylim(low - 0.06 * (high - low), high + 0.12 * (high - low))
        ax.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    ax.xaxis.set_major_formatter("{x:,.0f}")
    ax.set_xlabel("step")
    ax.set_ylabel(f"loss (dimensionless{', logarithmic' if logarithmic else ''})")
    budget = result["budget"]
    # Not the seconds, which differ between equal runs: these draw the same figure. The model card has them.
    figure.suptitle(f"Loss over {budget['steps']:,} steps, {budget['samples_seen']:,} samples", x=0.01, ha="left")
    above(ax)
    if table["quantity"].nunique() > 1:
        figure.supxlabel(LEVELS, x=0.01, ha="left", fontsize=7, color=GREY)
    return figure
