"""Retrieval: how often a held-out set's group is among the first that are found for it, against plain views and
chance."""

import textwrap
from itertools import pairwise
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from gde.config.words import baseline_words, metric_words
from gde.figures.read import read_table
from gde.figures.style import CYCLE, GREY, MARKERS, above, new

SCORES = ("retrieval/recall_1", "retrieval/recall_10", "retrieval/whitened", "retrieval/mrr", "retrieval/purity")


def draw(tables: Path, result: dict) -> Figure:
    """Left: recall against how many are looked at. Right: the scores with interval and chance."""
    table, _ = read_table(tables, "retrieval")
    figure, axes = new(1, 2, height=3.4, width_ratios=[1.1, 1])
    left, right = axes[0]
    names = [name for name in dict.fromkeys(table["source"]) if name != "chance"]
    for i, name in enumerate(names):
        own = table[table["source"] == name]
        shown = {"color": CYCLE[i], "marker": MARKERS[i], "ms": 4, "lw": 1.6 if i == 0 else 1}
        left.plot(own["first"], own["recall"], label={"gde": "embedding"}.get(name, baseline_words(name)), **shown)
    chance = table[table["source"] == "chance"]
    left.plot(chance["first"], chance["recall"], "--", color=GREY, lw=1, label="chance")
    left.set_xscale("log")
    ticks = sorted(set(table["first"]))
    spaced = [k for k, after in pairwise([*ticks, np.inf]) if after > 1.6 * k]  # labels that do not overlap
    left.set_xticks(spaced, [f"{k:,g}" for k in spaced])
    left.minorticks_off()
    left.set_ylim(0, 1.03)
    left.set_xlabel("groups looked at, most similar first")
    left.set_ylabel("recall")
    above(left, ncols=2)
    # groups may have others that train
    figure.suptitle(f"Held-out samples of {int(table['first'].max()):,} groups; higher is better", x=0.01, ha="left")
    metrics = {name: result["metrics"][name] for name in SCORES if name in result["metrics"]}
    for row, metric in enumerate(metrics.values()):
        values = [metric["value"], *metric["baselines"].values()]
        for i, value in enumerate(values):
            right.plot(value, row, MARKERS[i], color=CYCLE[i], ms=6, zorder=3)
        right.plot(metric["ci"], [row, row], color=CYCLE[0], lw=3, alpha=0.5)
        right.plot(metric["chance"], row, "|", color=GREY, ms=14, mew=2)
    right.set_yticks(range(len(metrics)), [textwrap.fill(metric_words(name).name, 20) for name in metrics], fontsize=7)
    right.set_ylim(len(metrics) - 0.5, -0.5)
    right.set_xlim(-0.03, 1.05)
    right.set_xlabel("value (grey: chance)")
    right.set_ylabel("score")
    return figure
