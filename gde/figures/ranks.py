"""Ranks: is a perturbation's own true shift the one most like its prediction? Ranks among the held-out ones."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from gde.config.words import PROTOCOLS, baseline_words
from gde.figures.read import read_table
from gde.figures.style import BLUE, CYCLE, GREY, new, note

ORDER = ("model", "generated", "ridge", "nearest", "additive", "other_lines", "shuffled_conditions")
COLOURS = dict(zip(ORDER, (BLUE, *CYCLE[1:]), strict=True))


def draw(tables: Path, result: dict) -> Figure:
    """One panel for each protocol: share of perturbations found within a share of the ranking; grey: chance."""
    table, _ = read_table(tables, "ranks")
    table = table[table["of"] > 1]
    parts = list(dict.fromkeys(table["part"]))
    if not parts:
        return note("not evaluated: a single held-out perturbation in each context")
    figure, axes = new(1, len(parts), height=3.3, sharey=True)
    grid = np.linspace(0, 1, 101)
    for ax, part in zip(axes[0], parts, strict=True):
        ax.plot(grid, grid, "--", color=GREY, lw=1, label="chance")
        for source in (s for s in ORDER if s in set(table["source"])):
            own = table[(table["part"] == part) & (table["source"] == source)]
            if own.empty:
                continue
            place = np.sort((own["rank"] - 1) / (own["of"] - 1))
            found = np.searchsorted(place, grid + 1e-9, side="right") / len(place)
            line = {"model": "-", "shuffled_conditions": ":"}.get(source, "-")
            width = 2.2 if source == "model" else 1.1
            ax.step(grid, found, line, where="post", color=COLOURS[source], lw=width, label=baseline_words(source))
        metric = result["metrics"].get(f"{part}/discrimination")
        score = "" if metric is None else f", score {metric['value']:.2f} (chance 0.50)"
        ax.set_title(f"{PROTOCOLS.get(part, part).capitalize()}{score}", fontsize=8)
        ax.set_xlabel("share of the ranking")
    axes[0, 0].set_ylabel("share of perturbations found")
    known = {name: handle for ax in axes[0] for handle, name in zip(*ax.get_legend_handles_labels(), strict=True)}
    figure.legend(known.values(), known.keys(), loc="outside upper left", ncols=4, fontsize=7)
    return figure
