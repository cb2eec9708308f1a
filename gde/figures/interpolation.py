"""Along the straight line between two embeddings: what is generated, beside the optimal transport path."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Ellipse

from gde.figures.read import label, read_table
from gde.figures.style import BLUE, SEQUENTIAL, SMALLEST, VERMILION, dot, equal_limits, new

SDS = 2


def draw(tables: Path, result: dict) -> Figure:
    """Normals as ellipses of two standard deviations (bands on the line); mixtures as clouds over the path."""
    table, units = read_table(tables, "interpolation")
    if (tables / "interpolation_points.tsv").is_file():
        return _mixtures(table, *read_table(tables, "interpolation_points"), result)
    return _normals(table, units, result) if "mean_2" in table else _bands(table, units)


def ellipse(row, **options) -> Ellipse:
    """The ellipse of SDS standard deviations of a row's normal."""
    values, vectors = np.linalg.eigh([[row.cov_11, row.cov_12], [row.cov_12, row.cov_22]])
    width, height = 2 * SDS * np.sqrt(values.clip(min=0))
    angle = np.degrees(np.arctan2(vectors[1, 0], vectors[0, 0]))
    return Ellipse((row.mean_1, row.mean_2), width, height, angle=angle, **options)


def _reach(table) -> tuple[np.ndarray, np.ndarray]:
    """x and y of the ellipses' bounding boxes."""
    x, y = (
        np.concatenate([table[f"mean_{a}"] + s * SDS * np.sqrt(table[f"cov_{a}{a}"]) for s in (-1, 1)]) for a in (1, 2)
    )
    return x, y


def _normals(table, units, result: dict) -> Figure:
    pairs = list(dict.fromkeys(table["pair"]))
    figure, axes = new(2, len(pairs), height=5.0)
    colours = mpl.colormaps[SEQUENTIAL]
    for column, pair in enumerate(pairs):
        own = table[table["pair"] == pair]
        for ax, source in zip(axes[:, column], ("generated", "ot_path"), strict=True):
            for row in own[own["source"] == source].itertuples():
                ax.add_patch(ellipse(row, fill=False, edgecolor=colours(row.t), lw=1.0))
        equal_limits(axes[:, column], *_reach(own))
        axes[0, column].set_title(f"pair {pair + 1}")
        axes[1, column].set_xlabel(label("x 1", units["mean_1"]))
    axes[0, 0].set_ylabel(f"generated\n{label('x 2', units['mean_2'])}")
    axes[1, 0].set_ylabel(f"OT path\n{label('x 2', units['mean_2'])}")
    bar = figure.colorbar(ScalarMappable(Normalize(0, 1), SEQUENTIAL), ax=axes, fraction=0.03, aspect=40, pad=0.01)
    bar.set_label("position t on the latent line", fontsize=8)
    bar.outline.set_visible(False)
    title = "Lines between embeddings of two sets: ellipses of 2 sd"
    deviation = result["metrics"].get("geometry/geodesic_deviation")
    if deviation is not None:
        title += f" · mean deviation {100 * deviation['value']:.2g} % of the way"
    figure.suptitle(title, x=0.01, ha="left")
    return figure


def _bands(table, units) -> Figure:
    pairs = list(dict.fromkeys(table["pair"]))
    figure, axes = new(1, len(pairs), height=2.9, sharey=True)
    look = {"ot_path": (VERMILION, "OT path"), "generated": (BLUE, "generated")}
    for ax, pair in zip(axes[0], pairs, strict=True):
        for source, (colour, name) in look.items():
            own = table[(table["pair"] == pair) & (table["source"] == source)]
            sd = SDS * np.sqrt(own["cov_11"])
            ax.plot(own["t"], own["mean_1"], color=colour, lw=1.5, label=f"{name}, mean")
            ax.fill_between(own["t"], own["mean_1"] - sd, own["mean_1"] + sd, color=colour, alpha=0.25, lw=0,
                            label=f"{name}, 2 sd")  # fmt: skip
        ax.set_xlabel("position t on the latent line")
        ax.set_title(f"pair {pair + 1}")
    axes[0, 0].set_ylabel(label("x 1", units["mean_1"]))
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower left", ncols=4, columnspacing=1.0)
    figure.suptitle("Lines between embeddings of two held-out sets", x=0.01, ha="left")
    return figure


def _mixtures(table, points, units, result: dict) -> Figure:
    pairs, times = (list(dict.fromkeys(points[c])) for c in ("pair", "t"))
    figure, axes = new(len(pairs), len(times), height=0.6 + 1.3 * len(pairs), sharex="row", sharey="row")
    plane = "x_2" in points
    for i, pair in enumerate(pairs):
        for j, t in enumerate(times):
            ax = axes[i, j]
            cloud = points[(points["pair"] == pair) & (points["t"] == t)]
            if plane:
                ax.scatter(cloud["x_1"], cloud["x_2"], s=3, color=BLUE, alpha=0.5, linewidths=0, rasterized=True)
                near = (table["pair"] == pair) & np.isclose(table["t"], t)
                for row in table[near].itertuples():
                    _outline(ax, row)
            else:
                ax.hist(cloud["x_1"], 30, density=True, color=BLUE)
            ax.tick_params(labelsize=SMALLEST)
            if i == 0:
                end = {0: " (one set)", len(times) - 1: " (other set)"}.get(j, "")
                ax.set_title(f"t = {t:.1f}{end}", fontsize=7.5, pad=3)
        if plane:
            equal_limits(axes[i], *_reach(table[table["pair"] == pair]))
        axes[i, 0].set_ylabel(f"pair {pair + 1}", fontsize=8)
    axes[-1, 0].set_xlabel(label("x 1", units["x_1"]), fontsize=8)  # one of the whole figure would lie in the legend
    figure.supylabel(label("x 2", units["x_2"]) if plane else "density", fontsize=9)
    handles = [dot(BLUE, label="generated from the point t of the line")]
    if plane:
        name = "component of the MW2 path: ellipse of 2 sd, stronger with more weight"
        handles.append(Line2D([], [], color=VERMILION, marker="o", mfc="none", ms=7, mew=1.1, lw=0, label=name))
    figure.legend(handles=handles, loc="outside lower left", ncols=2, fontsize=7, handletextpad=0.3)
    title = "Lines between embeddings of two held-out sets"
    deviation = result["metrics"].get("geometry/geodesic_deviation")
    if deviation is not None:
        value, floor = (100 * deviation[k] for k in ("value", "ceiling"))
        title += f": {value:.2g} % of the way off (two draws of the path itself: {floor:.2g} %)"
    figure.suptitle(title, x=0.01, ha="left", fontsize=9)
    return figure


def _outline(ax: Axes, row) -> None:
    """A component of the path, drawn stronger the more weight it has."""
    ax.add_patch(
        ellipse(row, fill=False, edgecolor=VERMILION, lw=1.1, alpha=float(0.15 + 0.85 * min(1, 2 * row.weight)))
    )
