"""The axis of expression: held-out sets in latent space, and their place on each condition's first component."""

from pathlib import Path

from matplotlib.figure import Figure

from gde.config.words import baseline_words
from gde.figures.read import label, read_table
from gde.figures.style import GREY, MARKERS, SEQUENTIAL, above, categories, dot, new


def draw(tables: Path, result: dict) -> Figure:
    """Left: principal components of all sets, coloured by place. Right: first component of each condition's training
    sets against place, shifted and scaled to be seen together; crosses: places of which nothing trains."""
    table, units = read_table(tables, "axis")
    figure, axes = new(1, 2, height=3.3, width_ratios=(1, 1.15))
    ax, conditions = axes[0, 0], sorted(set(table["label"]))
    low, high = table["place"].min(), table["place"].max()
    for i, name in enumerate(conditions):
        own = table[table["label"] == name]
        points = ax.scatter(own["pc_1"], own["pc_2"], c=own["place"], cmap=SEQUENTIAL, vmin=low, vmax=high, s=20,
                            linewidths=0, marker=MARKERS[i % len(MARKERS)], label=name)  # fmt: skip
    ax.set_xlabel(label("pc_1", units["pc_1"]))
    ax.set_ylabel(label("pc_2", units["pc_2"]))
    ax.set_title("Held-out sets", fontsize=8)
    if len(conditions) > 1:
        marks = [dot(GREY, MARKERS[i % len(MARKERS)], label=name) for i, name in enumerate(conditions)]
        above(ax, handles=marks, ncols=3, fontsize=6.5)
        ax.set_title("Held-out sets", fontsize=8, pad=11 * (1 + (len(conditions) - 1) // 3))
    bar = figure.colorbar(points, ax=ax, fraction=0.045, pad=0.02)
    bar.set_label("place in the order of expression", fontsize=7)
    bar.outline.set_visible(False)

    ax, look = axes[0, 1], categories(conditions)
    for name in conditions:
        own = table[table["label"] == name]
        x = (own["component"] - own["component"].mean()) / (own["component"].std() or 1.0)
        whole = (own["part"] == "held out whole").to_numpy()
        ax.plot(own["place"], x, "-", color=look[name][0], lw=0.7, alpha=0.5)
        ax.scatter(own["place"][~whole], x[~whole], color=look[name][0], s=14, linewidths=0, label=name)
        ax.scatter(own["place"][whole], x[whole], color=look[name][0], s=34, marker="x", linewidths=1.4)
    if (table["part"] == "held out whole").any():
        ax.scatter([], [], color=GREY, marker="x", s=34, label="held out whole")
    ax.set_xlabel("place in the order of expression")
    ax.set_ylabel("first component (sd of its condition)")
    metric = result["metrics"]["axis/spearman"]
    anchors = "; ".join(f"{baseline_words(n)} {v:.2f}" for n, v in metric["baselines"].items())
    above(ax, ncols=4, fontsize=6.5)
    figure.suptitle(f"Rank correlation {metric['value']:.2f} ({anchors})", fontsize=8, x=0.01, ha="left")
    return figure
