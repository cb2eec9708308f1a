"""K-mers and motifs of generated sequences against those of real ones."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gde.figures.read import read_table
from gde.figures.style import GREY, MODEL, name_points, new

NAMED = 5  # k-mers that differ most


def draw(tables: Path, result: dict) -> Figure:
    """Left: share of each k-mer; right, where motifs were counted: hits of each. Named are those that differ most."""
    motifs = (tables / "motifs.tsv").is_file()
    figure, axes = new(1, 1 + motifs, height=3.5, width=7.2 if motifs else 4.2)
    kmers, _ = read_table(tables, "kmers")
    panel(axes[0, 0], kmers, "share of all k-mers")
    metric = result["metrics"]["kmers/distance"]
    length, chance = len(kmers["label"].iloc[0]), metric["ceiling"]
    axes[0, 0].set_title(f"K-mers of {length}: distance {metric['value']:.2f}", y=1.05)
    note = f"training sequences {chance:.2f}, independent tokens {metric['baselines']['independent_tokens']:.2f}"
    axes[0, 0].annotate(note, (0, 1), (0, 4), xycoords="axes fraction", textcoords="offset points", fontsize=7,
                        color=GREY)  # fmt: skip
    if motifs:
        table, _ = read_table(tables, "motifs")
        panel(axes[0, 1], table, "hits per sequence")
        metric = result["metrics"]["motifs/pearson"]
        axes[0, 1].set_title(f"Motifs: r {metric['value']:.2f}", y=1.05)
    return figure


def panel(ax: Axes, table, unit: str) -> None:
    """Both on logarithmic axes; what one side lacks lies on the edge."""
    seen = np.concatenate([table["real"], table["generated"]])
    low = seen[seen > 0].min() / 2 if (seen > 0).any() else 1e-6
    x, y = table["real"].clip(lower=low), table["generated"].clip(lower=low)
    ax.scatter(x, y, s=5, color=MODEL, alpha=0.4, linewidths=0, rasterized=True)
    ends = np.array([low, max(x.max(), y.max())])
    ax.plot(ends, ends, "--", color=GREY, lw=0.8)
    frequent = np.maximum(x, y) > np.quantile(np.maximum(x, y), 0.9)
    apart = (np.log(y / x).abs() * frequent).to_numpy()
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.autoscale_view()
    most = np.argsort(-apart, kind="stable")[: 4 * NAMED]
    name_points(ax, x.iloc[most], y.iloc[most], table["label"].iloc[most], NAMED)
    ax.set_xlabel(f"real, held out ({unit})")
    ax.set_ylabel(f"generated ({unit})")
