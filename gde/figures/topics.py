"""Topics that a classifier recognises in generated documents, beside those that it recognises in real ones."""

from pathlib import Path

from matplotlib.figure import Figure

from gde.figures.read import left_out, read_table
from gde.figures.style import GREY, MODEL, TRUTH, new, note

LONGEST = 40  # characters of a topic's name


def draw(tables: Path, result: dict) -> Figure:
    """A row for each topic: share of its real held-out and of its generated documents that are taken for its own."""
    if (why := left_out(tables, "topics", "topics/")) is not None:
        return note(why)
    table, _ = read_table(tables, "topics")
    table = table.sort_values(["real", "label"], ascending=[False, True]).reset_index(drop=True)
    figure, axes = new(height=1.4 + 0.2 * len(table), width=6.0)
    ax = axes[0, 0]
    ax.hlines(table.index, table["real"], table["generated"], color=GREY, lw=0.8, alpha=0.5)
    ax.scatter(table["real"], table.index, color=TRUTH, s=24, marker="D", linewidths=0, label="real, held out")
    ax.scatter(table["generated"], table.index, color=MODEL, s=24, linewidths=0, label="generated")
    metric = result["metrics"]["topics/generated"]
    ax.axvline(metric["chance"], ls="--", color=GREY, lw=1)
    names = [name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…" for name in table["label"]]
    ax.set_yticks(table.index, names, fontsize=7)
    ax.set_ylim(len(table) - 0.5, -0.5)
    ax.set_xlim(-0.03, 1.03)
    ax.set_xlabel("share of documents recognised; dashed: chance")
    ax.set_ylabel("topic")
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2)
    ax.set_title(
        f"Recognised: generated {metric['value']:.2f}, real {metric['ceiling']:.2f}, chance {metric['chance']:.2f}",
        y=1.0, pad=24,
    )  # fmt: skip
    return figure
