"""Classes of generated images, against the mixture that they were generated for."""

from pathlib import Path

from matplotlib.figure import Figure

from gde.config.words import baseline_words
from gde.figures.read import left_out, read_table
from gde.figures.style import GREY, MODEL, TRUTH, new, note


def draw(tables: Path, result: dict) -> Figure:
    """A dot for each class of each mixture, of generated images and of real ones, told by the same classifier."""
    if (why := left_out(tables, "composition", "composition")) is not None:
        return note(why)
    table, _ = read_table(tables, "composition")
    figure, axes = new(1, 2, height=3.6, sharex=True, sharey=True)
    error = result["metrics"]["composition/class_error"]
    panels = (
        ("real", "real images", TRUTH, error["ceiling"]),
        ("generated", "generated images", MODEL, error["value"]),
    )
    for ax, (column, _, colour, value) in zip(axes[0], panels, strict=True):
        ax.plot([0, 1], [0, 1], "--", color=GREY, lw=0.8, zorder=0)
        ax.scatter(table["truth"], table[column], s=12, color=colour, alpha=0.5, linewidths=0)
        ax.set_title(f"{column} images: total variation {value:.3f}", fontsize=9)
        ax.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), aspect="equal")
        ax.set_xlabel("share in the mixture")
    axes[0, 0].set_ylabel("share told by the classifier")
    text = "; ".join(f"{baseline_words(name)} {value:.2f}" for name, value in error["baselines"].items())
    figure.supxlabel(text, fontsize=7, color=GREY)
    figure.suptitle("Classes of images generated for held-out mixtures", x=0.01, ha="left", fontsize=10)
    return figure
