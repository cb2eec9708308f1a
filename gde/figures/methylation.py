"""Methylation of generated reads against that of real ones, tissue by tissue."""

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from gde.figures.read import left_out, read_table
from gde.figures.style import GREY, MODEL, name_points, new, note

TITLES = {"rate": "methylated CpGs", "concordance": "reads whose CpGs agree", "entropy": "entropy of patterns"}
NAMED = 8  # tissues written beside their dots


def draw(tables: Path, result: dict) -> Figure:
    """A panel for each score, a dot for each tissue; the closer to the diagonal, the better. Open: CpGs behind
    genomic contexts of the samples' own reads."""
    if (why := left_out(tables, "methylation", "methylation")) is not None:
        return note(why)
    table = scores_of(tables, "methylation")
    sites = scores_of(tables, "sites") if (tables / "sites.tsv").is_file() else None
    scores = [score for score in TITLES if score in set(table["score"])]
    figure, axes = new(1, len(scores), height=3.3)
    for ax, score in zip(axes[0], scores, strict=True):
        own = table[table["score"] == score]
        ax.plot([0, 1], [0, 1], color=GREY, lw=0.8, ls="--", zorder=0)
        ax.scatter(own["truth"], own["generated"], s=18, color=MODEL, alpha=0.8, linewidths=0, label="whole reads")
        if sites is not None:
            there = sites[sites["score"] == score]
            ax.scatter(there["truth"], there["generated"], s=20, facecolors="none", edgecolors=MODEL, linewidths=0.9,
                       label="at the reads' own sites")  # fmt: skip
        unit = own["unit"].iloc[0]
        ax.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), aspect="equal")
        name_points(ax, own["truth"], own["generated"], own["label"], NAMED, color=GREY)
        ax.set_xlabel(f"held-out reads\n({unit})", fontsize=8)
        ax.set_ylabel(f"generated reads ({unit})", fontsize=8)
        error = result["metrics"].get(f"methylation/{score}_error")
        ax.set_title(TITLES[score] if error is None else f"{TITLES[score]}\n{error['value']:.3f} off", fontsize=8.5)
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower left", ncols=2, fontsize=7, title="CpGs generated, by tissue",
                  title_fontsize=7, alignment="left")  # fmt: skip
    return figure


def scores_of(tables: Path, name: str) -> pd.DataFrame:
    """The table with quantity, such as `rate (share of CpGs)`, as columns score and unit."""
    table, _ = read_table(tables, name)
    table["score"], table["unit"] = zip(*(q.removesuffix(")").split(" (") for q in table["quantity"]), strict=True)
    return table
