"""Labels: which labels are taken for which, and how well the same is read from simpler descriptions."""

import textwrap
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gde.config.words import baseline_words
from gde.figures.read import left_out, read_table
from gde.figures.style import BLUE, GREY, ORANGE, SMALLEST, new, note

NAMED = 40  # labels that still fit on an axis
NUMBERS = 20  # labels whose shares are written into the cells
LONGEST = 26  # letters of a label
SCORES = ("labels/accuracy", "labels/auc", "labels/macro_f1")


def draw(tables: Path, result: dict) -> Figure:
    """Left: true labels (rows, which sum to one) against predicted ones. Right: the score beside its baselines and
    chance, with the interval of the difference to each where the tables have it."""
    if (why := left_out(tables, "labels", "labels/auc") or left_out(tables, "labels", "labels")) is not None:
        return note(why)
    table, _ = read_table(tables, "labels")
    names = sorted(set(table["label"]) | set(table["predicted"]))
    side = min(5.4, 2.6 + 0.17 * len(names))
    figure, axes = new(1, 2, height=side, width_ratios=[1.5, 1])
    confusion(axes[0, 0], table, names)
    scores(axes[0, 1], result["metrics"])
    return figure


def confusion(
    ax: Axes, table: pd.DataFrame, names: list[str], what: str = "label", of: str = "held-out sub-sets"
) -> None:
    """Share of what is of each true label (rows) by what they were taken for (columns)."""
    counts = pd.crosstab(table["label"], table["predicted"])
    share = counts.div(counts.sum(1), axis=0)
    share = share.reindex(index=[n for n in names if n in share.index], columns=names, fill_value=0.0)
    picture = ax.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    if len(names) <= NAMED:
        size = 7 if len(names) <= NUMBERS else SMALLEST
        ax.set_xticks(range(len(names)), map(short, names), rotation=90, fontsize=size)
        rows = [f"{short(name)} ({counts.loc[name].sum():,})" for name in share.index]
        ax.set_yticks(range(len(share)), rows, fontsize=size)
    else:
        ax.set_xticks([])
        ax.set_yticks([])
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    ax.set_xlabel(f"predicted {what}", fontsize=8)
    ax.set_ylabel(f"true {what} ({of} of it)", fontsize=8)
    if len(names) <= NUMBERS:
        for i, j in zip(*share.to_numpy().nonzero(), strict=True):
            value = share.iloc[i, j]
            ax.text(j, i, f"{value:.2f}".removeprefix("0"), ha="center", va="center", fontsize=SMALLEST,
                    color="white" if value > 0.55 else "#222222")  # fmt: skip
    else:
        bar = ax.figure.colorbar(picture, ax=ax, location="top", fraction=0.03, aspect=40, pad=0.02)
        bar.set_label("share of a row", fontsize=7)
        bar.ax.tick_params(labelsize=SMALLEST)
        bar.outline.set_visible(False)


def short(name: str) -> str:
    """A label as far as an axis has room for it."""
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def scores(ax: Axes, metrics: dict[str, dict]) -> None:
    """The score of the embedding and of each baseline, a row each; chance a line; of a baseline the paired difference
    of the embedding to it with its interval, where it is known."""
    name = next(score for score in SCORES if score in metrics)
    metric = metrics[name]
    # beside an AUC or F1, and beside the share of the commonest label, the accuracy is plain
    plain = {"labels/auc", "labels/macro_f1"} & set(metrics)
    rows = {"embedding": metric["value"], **metric["baselines"]}
    differences = metric.get("differences") or {}
    names = []
    for i, (who, value) in enumerate(rows.items()):
        own = i == 0
        if own and metric["ci"] is not None:
            ax.plot(metric["ci"], [0, 0], color=BLUE, lw=4, alpha=0.5, solid_capstyle="butt")
        ax.scatter(value, i, s=32, marker="o" if own else "D", color=BLUE if own else ORANGE, linewidths=0, zorder=3)
        ax.annotate(f"{value:.2f}", (value, i), (0, 6), textcoords="offset points", ha="center", fontsize=SMALLEST,
                    color=GREY)  # fmt: skip
        names.append("embedding" if own else textwrap.fill(baseline_words(who), 24))
        if who in differences:
            d, (low, high) = differences[who]["value"], differences[who]["ci"]
            names[-1] += f"\n∆ {d:+.2f} [{low:+.2f}, {high:+.2f}]".replace("-", "−")
    ax.axvline(metric["chance"], color=GREY, lw=1.6, label=f"chance {metric['chance']:.2f}")
    ax.set_yticks(range(len(rows)), names, fontsize=6.5)
    ax.set_ylim(len(rows) - 0.4, -0.7)
    ax.set_xlim(min(0.0, *rows.values()), 1.02)
    ax.tick_params(axis="x", labelsize=7)
    what = {"labels/accuracy": "accuracy" if plain else "balanced accuracy", "labels/auc": "AUC"}.get(name, "mean F1")
    paired = "\n∆: embedding minus baseline,\nof the same sub-sets" if differences else ""
    ax.set_xlabel(f"{what}\n(higher is better){paired}", fontsize=7)
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1.0), fontsize=7, borderaxespad=0.2)
