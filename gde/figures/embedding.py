"""Map of the embeddings: two principal components, coloured by what should be found in them."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Ellipse

from gde.errors import many
from gde.figures.read import drawn_of, label, read_table
from gde.figures.style import GREY, SEQUENTIAL, SMALLEST, areas, categories, dot, fit, new, size_handles

FEWEST, ROOM = 4, 0.15  # sub-sets of a group of which an ellipse is drawn; share by which the axes grow for it
NAMED = 21  # labels with a look of their own, the most frequent ones
TRUTHS = {"mean_1": "true mean, x 1", "mean_2": "true mean, x 2", "sd": "true standard deviation"}


def draw(tables: Path, result: dict) -> Figure:
    """Families: one panel per true location and one for the scale. Samples: one panel coloured by label."""
    table, units = read_table(tables, "embedding")
    return _labels(table, units, result) if "label" in table else _truth(table, units, result)


def _truth(table, units, result: dict) -> Figure:
    names = [c for c in table.columns if c.startswith("mean_")] + ["sd"]
    figure, axes = new(1, len(names), height=2.7, sharey=True)
    for k, (ax, name) in enumerate(zip(axes[0], names, strict=True)):
        x, y = fit(ax, table["pc_1"].to_numpy(), table["pc_2"].to_numpy())
        dots = ax.scatter(x, y, c=table[name], cmap=SEQUENTIAL, s=13, linewidths=0, clip_on=False)
        bar = figure.colorbar(dots, ax=ax, location="top", fraction=0.05, aspect=28, pad=0.03)
        bar.set_label(f"{TRUTHS[name]} ({units[name]})", fontsize=8)
        bar.outline.set_visible(False)
        bar.ax.tick_params(labelsize=7)
        ax.set_xlabel(label("pc_1", units["pc_1"]).replace("latent units, ", ""))
        if k == 0:
            ax.set_ylabel(label("pc_2", units["pc_2"]).replace("latent units, ", ""))
    drawn = drawn_of(len(table), result, "held-out distribution")
    figure.suptitle(f"Embeddings of {drawn}: one colour, one value", x=0.01, ha="left")
    return figure


def _labels(table, units, result: dict) -> Figure:
    figure, axes = new(height=4.2)
    ax = axes[0, 0]
    x, y = fit(ax, table["pc_1"].to_numpy(), table["pc_2"].to_numpy())
    size = areas(table["n_samples"])
    frequent = table["label"].value_counts().sort_index(kind="stable").sort_values(ascending=False, kind="stable")
    look = categories(frequent.index[:NAMED])
    others = len(frequent) - len(look)
    for name, (colour, marker) in [(None, (GREY, ".")), *look.items()]:  # those without a look lie below
        own = ((~table["label"].isin(look)) if name is None else table["label"] == name).to_numpy()
        for part, fill in (("context", "none"), ("target", colour)):
            some = own & (table["part"] == part).to_numpy()
            shown = {"marker": marker, "linewidths": 0.9, "edgecolors": colour, "facecolors": fill, "alpha": 0.85}
            ax.scatter(x[some], y[some], s=size[some], clip_on=False, **shown)
    around = table["group"].nunique() <= NAMED and _ellipses(ax, table, look)
    ax.set_xlabel(label("pc_1", units["pc_1"]))
    ax.set_ylabel(label("pc_2", units["pc_2"]))
    handles = [dot(colour, marker, label=name) for name, (colour, marker) in look.items()]
    if others:
        handles.append(dot(GREY, ".", label=f"{others} other labels"))
    if table["part"].nunique() > 1:
        handles += [dot(GREY, label="held out"), dot(GREY, mfc="none", mew=0.9, label="context")]
    handles += size_handles(table["n_samples"])
    if around:
        ring = {"marker": "o", "mfc": "none", "ms": 9, "mew": 0.8}
        handles.append(Line2D([], [], color=GREY, lw=0, label="2 sd of a group's sub-sets", **ring))
    ax.legend(handles=handles, loc="center left", bbox_to_anchor=(1.0, 0.5), handletextpad=0.3,
              fontsize=7 if len(handles) <= 20 else SMALLEST)  # fmt: skip
    groups = table["group"].nunique()
    what = f"{many(len(table), 'sub-set')} of " if len(table) > groups else ""
    held = table.loc[table["part"] == "target", "group"].nunique()
    some = f"; {drawn_of(held, result, 'held-out group')}" if held < result["held_out"] else ""
    figure.suptitle(f"Embeddings of {what}{many(groups, 'group')}{some}", x=0.01, ha="left")
    if (accuracy := result["metrics"].get("labels/accuracy")) is not None:
        text = f"labels read from embeddings: accuracy {accuracy['value']:.2f} (chance {accuracy['chance']:.2f})"
        ax.set_title(text, fontsize=8, color=GREY)
    return figure


def _ellipses(ax: Axes, table, look: dict) -> bool:
    """Ellipses of two standard deviations of the sub-sets of each group that has some; whether there are any. Limits
    grow for them, by ROOM of the axes at most: one of few sub-sets may be very wide."""
    ends = []
    for _, own in table.groupby("group", sort=False):
        if len(own) < FEWEST:
            continue
        points = own[["pc_1", "pc_2"]].to_numpy()
        centre, covariance = points.mean(0), np.cov(points.T)
        values, vectors = np.linalg.eigh(covariance)
        angle = np.degrees(np.arctan2(vectors[1, 0], vectors[0, 0]))
        colour = look.get(own["label"].iloc[0], (GREY, "."))[0]
        width, height = 4 * np.sqrt(values.clip(min=0))  # from minus to plus two standard deviations
        shown = {"fill": False, "edgecolor": colour, "lw": 0.8, "alpha": 0.6}
        ax.add_patch(Ellipse(centre, width, height, angle=angle, **shown))
        reach = 2 * np.sqrt(np.diag(covariance))
        ends += [centre - reach, centre + reach]
    for axis, (low, high) in enumerate((ax.get_xlim(), ax.get_ylim()) if ends else ()):
        room, most = ROOM * (high - low), np.array(ends)[:, axis]
        limits = max(min(low, most.min()), low - room), min(max(high, most.max()), high + room)
        (ax.set_ylim if axis else ax.set_xlim)(limits)
    return bool(ends)
