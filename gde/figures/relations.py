"""Relations: are genes of one complex among the most similar ones?"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from gde.figures.read import read_table
from gde.figures.style import BLUE, GREEN, GREY, ORANGE, above, new

SOURCES = {
    "oracle": ("planted effects", GREEN, "--"),
    "embedding": ("this model", BLUE, "-"),
    "engineered": ("engineered features", ORANGE, "-"),
}


def draw(tables: Path, result: dict) -> Figure:
    """Left: similarities of related pairs and of all others. Right: related pairs found in a share of the most similar,
    logarithmic, since what counts is the beginning."""
    table, _ = read_table(tables, "relations")
    related = table["related"].to_numpy() == 1
    figure, (axes,) = new(1, 2, height=3.4)
    bins = np.linspace(-1, 1, 41)
    for own, name, colour in ((~related, "other pairs", GREY), (related, "pairs of one complex", BLUE)):
        axes[0].hist(table["embedding"][own], bins, density=True, histtype="stepfilled", alpha=0.5, color=colour,
                     label=f"{name} ({own.sum():,})")  # fmt: skip
    axes[0].set_xlabel("cosine of genes' embeddings")
    axes[0].set_ylabel("density")
    above(axes[0], fontsize=7)
    share = np.arange(1, len(table) + 1) / len(table)
    axes[1].plot(share, share, ":", color=GREY, label="chance")
    for source, (name, colour, line) in SOURCES.items():
        order = np.argsort(-table[source].to_numpy(), kind="stable")
        axes[1].step(share, related[order].cumsum() / related.sum(), line, where="post", color=colour, label=name)
    axes[1].set_xscale("log")
    axes[1].set_ylim(0, 1.02)
    axes[1].set_xlabel("share of most similar pairs")
    axes[1].set_ylabel("pairs of one complex found")
    above(axes[1], fontsize=7, ncols=2)
    metric = result["metrics"]["relations/recall_5"]
    found = f"{100 * metric['value']:.0f} % of pairs in the first 5 % (planted effects {100 * metric['ceiling']:.0f} %)"
    figure.suptitle(f"Genes of one complex: {found}", x=0.01, ha="left", fontsize=10)
    return figure
