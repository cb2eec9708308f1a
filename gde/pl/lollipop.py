"""Associations: the share of variation that each column of obs explains, beside chance and ceiling."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from gde.errors import bad
from gde.figures.style import BLUE, GREY, VERMILION
from gde.pl.canvas import COLUMN, look, shown_figure
from gde.pl.points import shown
from gde.tl.association import slot

if TYPE_CHECKING:
    import anndata

SIGNIFICANT = 0.05  # false discovery rate


def associations(embeddings: "anndata.AnnData", *, within: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw the table that `gde.tl.associations` made: R2 of each column as a dot, filled at a false discovery rate
    below .05; an upright mark at what chance gives, a line to the ceiling that errors leave.

    within : the table of what remains within batches. returns the axes; GdeError without the table.
    """
    if (key := slot(within)) not in embeddings.uns:
        raise bad("embeddings", f"no uns[{key!r}]", "associations", "call gde.tl.associations(embeddings) first")
    table = embeddings.uns[key]
    with look():
        ax = ax or shown_figure(COLUMN, 0.9 + 0.22 * len(table)).subplots()
        draw_associations(ax, table)
        if within:
            ax.set_title(f"within each {shown(within)}", fontsize=9, pad=16)
    return ax


def draw_associations(ax: Axes, table: pd.DataFrame) -> None:
    """The dots of a table of associations, the largest R2 on top."""
    table = table.sort_values(["r2", "chance"], ascending=True)
    y = np.arange(len(table))
    sure = (table["fdr"] < SIGNIFICANT).to_numpy()
    r2, chance, ceiling = (table[name].to_numpy(dtype=float) for name in ("r2", "chance", "ceiling"))
    ax.hlines(y, 0, np.where(np.isfinite(ceiling), ceiling, 1), color="#DDDDDD", linewidth=1.2, zorder=1)
    ax.scatter(chance, y, marker="|", s=60, color=VERMILION, linewidths=1.2, zorder=2, label="chance")
    for which, fill, label in ((sure, BLUE, "FDR < .05"), (~sure, "white", "not significant")):
        if which.any():
            ax.scatter(r2[which], y[which], s=26, facecolors=fill, edgecolors=BLUE, zorder=3, label=label)
    for i, (p, q) in enumerate(zip(table["p_value"], table["fdr"], strict=True)):
        words = f"p {_short(p)}, FDR {_short(q)}" if np.isfinite(p) else "not told apart"
        ax.annotate(words, (1.0, i), (4, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
                    va="center", fontsize=6.5, color=GREY, annotation_clip=False)  # fmt: skip
    ax.set_yticks(y, [shown(str(name)) for name in table.index], fontsize=7)
    ax.set_xlim(0, 1)
    ax.set_ylim(-0.6, len(table) - 0.4)
    ax.tick_params(axis="x", labelsize=6.5)
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel("share of the variation of embeddings, R²\n(grey line: up to what errors leave)", fontsize=7.5)
    ax.legend(fontsize=6.5, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=3, borderpad=0, handletextpad=0.1)


def _short(p: float) -> str:
    return f"{p:.3f}".lstrip("0") if p >= 0.001 else f"{p:.0e}"
