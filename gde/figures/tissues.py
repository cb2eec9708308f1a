"""Tissues of held-out samples: which are taken for which."""

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gde.figures.read import left_out, read_table
from gde.figures.style import GREY, new, note

NAMED = 45  # tissues that still fit on an axis


def draw(tables: Path, result: dict) -> Figure:
    """A confusion matrix of fine and one of coarse tissues, as far as there are both; rows sum to one."""
    shown = {"": "tissue", "_coarse": "coarse tissue"}
    panels = [key for key in shown if (tables / f"tissues{key}.tsv").is_file()]
    if not panels:
        return note(left_out(tables, "tissues", "tissue/accuracy") or "no tissues were evaluated")
    figure, axes = new(1, len(panels), height=3.9)
    for ax, key in zip(axes[0], panels, strict=True):
        table, _ = read_table(tables, f"tissues{key}")
        confusion(ax, table, shown[key])
        metric = result["metrics"][f"tissue/accuracy{key}"]
        ax.set_title(f"{shown[key]}: accuracy {metric['value']:.2f}", y=1.06)
        anchors = ", ".join(f"{name.replace('_', ' ')} {v:.2f}" for name, v in metric["baselines"].items())
        ax.annotate(f"chance {metric['chance']:.2f}, {anchors}", (0, 1), (0, 4), xycoords="axes fraction",
                    textcoords="offset points", fontsize=7, color=GREY)  # fmt: skip
    return figure


def confusion(ax: Axes, table: pd.DataFrame, what: str) -> None:
    """Share of each true tissue's samples (rows) by what they were taken for (columns)."""
    names = sorted(set(table["label"]) | set(table["predicted"]))
    share = pd.crosstab(table["label"], table["predicted"], normalize="index")
    share = share.reindex(index=[n for n in names if n in share.index], columns=names, fill_value=0.0)
    ax.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    if len(names) <= NAMED:
        size = 7 if len(names) <= 20 else 4.5
        ax.set_xticks(range(len(names)), names, rotation=90, fontsize=size)
        ax.set_yticks(range(len(share)), share.index, fontsize=size)
    else:
        ax.set_xticks([])
        ax.set_yticks([])
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    ax.set_xlabel(f"predicted {what}")
    ax.set_ylabel(f"true {what}")
