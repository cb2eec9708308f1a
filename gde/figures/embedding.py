"""Map of the embeddings: two principal components, coloured by what should be found in them."""

from pathlib import Path

from matplotlib.figure import Figure

from gde.errors import many
from gde.figures.read import label, read_table
from gde.figures.style import GREY, SEQUENTIAL, categories, new

MANY = 24  # labels in a legend


def draw(tables: Path, result: dict) -> Figure:
    """Families: one panel per true location and one for the scale. Samples: one panel coloured by label."""
    table, units = read_table(tables, "embedding")
    return _labels(table, units, result) if "label" in table else _truth(table, units)


def _truth(table, units) -> Figure:
    names = [c for c in table.columns if c.startswith("mean_")] + ["sd"]
    titles = {"mean_1": "true mean, x 1", "mean_2": "true mean, x 2", "sd": "true standard deviation"}
    figure, axes = new(1, len(names), height=2.9, width=2.6 * len(names) + 0.4, sharey=True)
    for k, (ax, name) in enumerate(zip(axes[0], names, strict=True)):
        dots = ax.scatter(table["pc_1"], table["pc_2"], c=table[name], cmap=SEQUENTIAL, s=13, linewidths=0)
        bar = figure.colorbar(dots, ax=ax, location="top", fraction=0.05, aspect=28, pad=0.03)
        bar.set_label(f"{titles[name]} ({units[name]})", fontsize=8)
        bar.outline.set_visible(False)
        bar.ax.tick_params(labelsize=7)
        ax.set_xlabel(label("pc_1", units["pc_1"]).replace("latent units, ", ""))
        if k == 0:
            ax.set_ylabel(label("pc_2", units["pc_2"]).replace("latent units, ", ""))
    figure.suptitle(f"Embeddings of {len(table)} held-out distributions", x=0.01, ha="left")
    return figure


def _labels(table, units, result: dict) -> Figure:
    figure, axes = new(height=4.2)
    ax = axes[0, 0]
    look = categories(table["label"])
    for name, (colour, marker) in look.items():
        own = table[table["label"] == name]
        for part, fill in (("context", "none"), ("target", colour)):
            some = own[own["part"] == part]
            shown = {"s": 26, "marker": marker, "linewidths": 0.9, "edgecolors": colour, "facecolors": fill}
            ax.scatter(some["pc_1"], some["pc_2"], label=name if part == "target" else None, **shown)
    ax.set_xlabel(label("pc_1", units["pc_1"]))
    ax.set_ylabel(label("pc_2", units["pc_2"]))
    if len(look) <= MANY:
        ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), title="label", alignment="left", handletextpad=0.2)
    what = "sub-sets of" if len(table) > table["group"].nunique() else "sets of"
    figure.suptitle(f"Embeddings of {what} {many(table['group'].nunique(), 'group')}", x=0.01, ha="left")
    text = "filled: held out, open: context"
    if (accuracy := result["metrics"].get("labels/accuracy")) is not None:
        text += f" · accuracy {accuracy['value']:.2f} (chance {accuracy['chance']:.2f})"
    ax.set_title(text, fontsize=8, color=GREY)
    return figure
