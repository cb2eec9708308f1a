"""Driver bars: the features in which two groups differ most, decoded shifts with intervals beside observed ones."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from gde.errors import bad
from gde.figures.style import BLUE, GREY, VERMILION
from gde.pl.canvas import look, shown_figure

SIGNIFICANT = 0.05  # false discovery rate
WIDTH = 4.6  # inches


def drivers(table: "pd.DataFrame", *, top: int = 20, ax: Axes | None = None) -> Axes:
    """Draw the `top` features of a table of `gde.tl.drivers`: decoded shift as a dot, filled at a false discovery rate
    below .05, with its 95 % interval; the shift of the observed samples (pseudobulk) as an upright mark, heavy where
    its own rate is below .05. Those that are higher in the second group stand on top.

    table : the DataFrame, or an AnnData in whose uns it is.   returns the axes; GdeError without the table.
    """
    if hasattr(table, "uns"):
        if "gde_drivers" not in table.uns:
            raise bad("data", "no uns['gde_drivers']", "drivers", "call gde.tl.drivers(data, ...) first")
        table = table.uns["gde_drivers"]
    with look():
        part = table.head(top).sort_values("decoded_shift", kind="stable")
        ax = ax or shown_figure(WIDTH, 1.2 + 0.19 * len(part)).subplots()
        draw_drivers(ax, part)
    return ax


def draw_drivers(ax: Axes, part: pd.DataFrame) -> None:
    """The rows of a table of drivers, from below."""
    y = np.arange(len(part))
    value, low, high = (part[name].to_numpy(dtype=float) for name in ("decoded_shift", "lower", "upper"))
    sure = (part["fdr"] < SIGNIFICANT).to_numpy()
    observed = part["pseudobulk_shift"].to_numpy(dtype=float)
    known = (part["pseudobulk_fdr"] < SIGNIFICANT).to_numpy()
    ax.axvline(0, color="#BBBBBB", linewidth=0.8, zorder=0)
    ax.hlines(y, low, high, color=BLUE, linewidth=1.4, alpha=0.55, zorder=1)
    for which, fill, label in ((sure, BLUE, "decoded, FDR < .05"), (~sure, "white", "decoded, not significant")):
        if which.any():
            ax.scatter(value[which], y[which], s=22, facecolors=fill, edgecolors=BLUE, zorder=3, label=label)
    for which, width, label in ((known, 2.2, "observed, FDR < .05"), (~known, 0.9, "observed, not significant")):
        if which.any():
            ax.scatter(observed[which], y[which], marker="|", s=70, color=VERMILION, linewidths=width, zorder=2,
                       label=label)  # fmt: skip
    ax.set_yticks(y, [str(name) for name in part["feature"]], fontsize=7)
    ax.set_ylim(-0.7, len(part) - 0.3)
    ax.tick_params(axis="y", length=0)
    ax.tick_params(axis="x", labelsize=7)
    at = part.attrs  # which an .h5ad does not keep
    sides = f", {at['second']} − {at['first']}\n({at['unit']})" if at else ""
    ax.set_xlabel(f"shift of the mean{sides}", fontsize=7.5)
    if at:
        units = f"{at['n_units'][0]} and {at['n_units'][1]} {'groups' if at['by'] else 'samples'}"
        ax.text(1.0, 1.005, units, transform=ax.transAxes, ha="right", va="bottom", fontsize=6.5, color=GREY)
    ax.legend(fontsize=6.5, loc="lower left", bbox_to_anchor=(-0.02, 1.03), ncols=2, borderpad=0, handletextpad=0.2)
