"""Training and validation loss against steps."""

from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from gde.figures.read import read_table
from gde.figures.style import BLUE, ORANGE, new

LOOK = {
    "train": {"color": BLUE, "lw": 1.0, "alpha": 0.8, "label": "training"},
    "validation": {"color": ORANGE, "lw": 1.6, "marker": "o", "ms": 3, "label": "validation (averaged weights)"},
}


def draw(tables: Path, result: dict) -> Figure:
    """Logarithmic where every loss is positive (a likelihood may be negative); the title tells the budget."""
    table, _ = read_table(tables, "loss")
    figure, axes = new(height=3.1)
    ax = axes[0, 0]
    for quantity, look in LOOK.items():
        own = table[table["quantity"] == quantity]
        if len(own):
            ax.plot(own["step"], own["loss"], **look)
    if (table["loss"] > 0).all():
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter("{x:g}")
        ax.yaxis.set_minor_formatter(NullFormatter())
    else:
        low, high = table["loss"].quantile(0.0), table["loss"].quantile(0.98)  # the first steps would hide the rest
        ax.set_ylim(low - 0.06 * (high - low), high + 0.12 * (high - low))
    ax.set_xlabel("step")
    ax.set_ylabel("loss (dimensionless)")
    budget = result["budget"]
    # Not the seconds, which differ between equal runs: these draw the same figure. The model card has them.
    ax.set_title(f"Loss over {budget['steps']:,} steps, {budget['samples_seen']:,} samples")
    ax.legend()
    return figure
