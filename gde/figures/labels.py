"""Labels: which labels are taken for which: the confusion matrix of held-out sub-sets."""

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from gde.figures.read import left_out, read_table
from gde.figures.style import GREY, new, note

NAMED = 40  # labels that still fit on an axis


def draw(tables: Path, result: dict) -> Figure:
    """Rows are true labels and sum to one; accuracy, chance and the pseudobulk baseline in the title."""
    if (why := left_out(tables, "labels", "labels/auc") or left_out(tables, "labels", "labels")) is not None:
        return note(why)
    table, _ = read_table(tables, "labels")
    names = sorted(set(table["label"]) | set(table["predicted"]))
    share = pd.crosstab(table["label"], table["predicted"], normalize="index")
    share = share.reindex(index=[n for n in names if n in share.index], columns=names, fill_value=0.0)
    side = min(6.0, 2.2 + 0.24 * len(names))
    figure, axes = new(height=side, width=min(7.2, side + 1.4))
    ax = axes[0, 0]
    picture = ax.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="equal")
    if len(names) <= NAMED:
        ax.set_xticks(range(len(names)), names, rotation=90)
        ax.set_yticks(range(len(share)), share.index)
        for i, j in zip(*share.to_numpy().nonzero(), strict=True):
            value = share.iloc[i, j]
            if len(names) <= 20:
                ax.text(j, i, f"{value:.1f}".removeprefix("0"), ha="center", va="center", fontsize=6.5,
                        color="white" if value > 0.55 else "#222222")  # fmt: skip
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    ax.set_xlabel("predicted label")
    ax.set_ylabel("true label")
    bar = figure.colorbar(picture, ax=ax, fraction=0.035, aspect=30, pad=0.02)
    bar.set_label("share of held-out sub-sets", fontsize=8)
    bar.outline.set_visible(False)
    metric = result["metrics"]["labels/accuracy"]
    # beside an AUC or F1, and beside the share of the commonest label, the accuracy is plain
    plain = {"labels/auc", "labels/macro_f1"} & set(result["metrics"])
    ax.set_title(f"{'Accuracy' if plain else 'Balanced accuracy'} {metric['value']:.2f}", y=1.05)
    names = {"pseudobulk_mean": "pseudobulk"}
    anchors = [f"{names.get(name, name)} {value:.2f}" for name, value in metric["baselines"].items()]
    ax.annotate(", ".join([f"chance {metric['chance']:.2f}", *anchors]), (0, 1), (0, 4),
                xycoords="axes fraction", textcoords="offset points", fontsize=7.5, color=GREY)  # fmt: skip
    return figure
