"""The matrix of distances between groups in clustered order, with its tree and strips of what groups are."""

from collections.abc import Sequence
from textwrap import fill
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from gde.errors import bad
from gde.figures.style import CYCLE, SEQUENTIAL
from gde.pl.canvas import COLUMN, colour_scale, limits, look, settle, shown_figure
from gde.pl.points import shown
from gde.tl.columns import NAMED, is_number, strips, without_strip

if TYPE_CHECKING:
    import anndata

READABLE = 45  # names beside the rows
OTHERS = "#F2F2F2"  # of a strip's values that no colour is left for
GREYS = ("#4D4D4D", "#8C8C8C", "#BFBFBF", "#E0E0E0")  # after the colours


def distances(
    embeddings: "anndata.AnnData", color: str | Sequence[str] | None = None, *, corrected: bool = False
) -> np.ndarray:
    """Draw the matrix of distances and the tree that `gde.tl.distances` made.

    color : obs columns shown as strips beside the rows; default, up to three that have few values. returns the axes of
    tree, strips and matrix. GdeError without distances, or for an unknown column.
    """
    key = "gde_distances_corrected" if corrected else "gde_distances"
    if key not in embeddings.obsp:
        raise bad("embeddings", f"no obsp[{key!r}]", "distances", "call gde.tl.map(embeddings) first")
    columns = strips(embeddings.obs) if color is None else [color] if isinstance(color, str) else list(color)
    for name in columns:
        if name not in embeddings.obs:
            raise bad("color", repr(name), f"an obs column: {', '.join(embeddings.obs.columns)}", "correct the name")
    with look():
        figure = shown_figure(*size(embeddings.n_obs))
        return draw_distances(
            figure, embeddings.obsp[key], embeddings.uns[key]["linkage"], list(embeddings.obs_names),
            embeddings.obs[columns], without_strip(embeddings.obs) if color is None else (),
        )  # fmt: skip


def size(groups: int) -> tuple[float, float]:
    """Width and height in inches: a line of text for each name, where names are shown."""
    side = min(5.0, max(2.0, 0.125 * groups)) if groups <= READABLE else 4.0
    return (side + 2.8, side + 0.5) if groups <= READABLE else (2 * COLUMN, side + 0.5)


def draw_distances(
    figure: Figure,
    matrix: np.ndarray,
    links: np.ndarray,
    names: Sequence[str],
    about: pd.DataFrame,
    left_out: Sequence[str] = (),
) -> np.ndarray:
    """Tree, strips and matrix into an empty figure; returns their axes.

    matrix : (g, g) latent units.   links : linkage (g - 1, 4).   about : (g, c), columns of the strips.
    left_out : columns that have none, which is said.
    """
    from scipy.cluster.hierarchy import dendrogram

    n, count = len(matrix), about.shape[1]
    figure.get_layout_engine().set(wspace=0.0, w_pad=0.01)
    grid = figure.subplots(1, 2 + bool(count), squeeze=False, width_ratios=[0.16, *([0.035 * count] * bool(count)), 1])
    axes = grid[0]
    with mpl.rc_context({"lines.linewidth": 0.6}):
        made = dendrogram(links, orientation="left", ax=axes[0], no_labels=True, link_color_func=lambda k: "#333333")
    order = np.array(made["leaves"])
    axes[0].set_xlim(1.03 * max(limits(links[:, 2])[1], 1e-9), 0)  # whatever joins last from far away
    axes[0].set_ylim(10 * n, 0)  # the first leaf on top, as rows of a picture are
    axes[0].spines[:].set_visible(False)
    axes[0].set_xticks([])
    axes[0].set_ylabel(f"{n} embeddings, clustered by average linkage", fontsize=7.5)
    ax = axes[-1]
    shown_matrix = matrix[np.ix_(order, order)]
    off = shown_matrix[~np.eye(n, dtype=bool)]
    high = limits(off)[1]
    norm = mpl.colors.Normalize(0.0, high if high > 0 else 1.0)
    extend = "max" if off.max() > high else "neither"
    picture = ax.imshow(shown_matrix, cmap=f"{SEQUENTIAL}_r", norm=norm, aspect="auto", interpolation="nearest")
    ax.set_xticks([])
    ax.spines[:].set_visible(False)
    ax.yaxis.tick_right()
    ax.tick_params(length=0)
    if n <= READABLE:
        ax.set_yticks(range(n), [names[i] for i in order], fontsize=6.5)
    else:
        ax.set_yticks([])
    bar = figure.colorbar(picture, ax=ax, location="bottom", fraction=0.04, aspect=32, pad=0.02, extend=extend)
    told = "distance beyond standard errors (latent units)"
    if left_out:
        told += "\n" + fill(f"no strip: {', '.join(left_out)}", 70)
    bar.set_label(told, fontsize=7.5)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=6.5)
    settle(figure, _strips(axes[1], about.iloc[order]) if count else [], 3)
    return axes


def _strips(ax: Axes, about: pd.DataFrame) -> list[Patch]:
    """A narrow column of colours for each column of `about` (rows in order), with the legend's entries."""
    picture = np.ones((len(about), about.shape[1], 4))
    handles = []
    colours = [*CYCLE, *GREYS]
    used = 0
    for j, name in enumerate(about.columns):
        values = about[name]
        if is_number(about, name):
            numbers = values.to_numpy(dtype=float)
            norm, _ = colour_scale(numbers)
            grey = 0.92 - 0.8 * np.ma.filled(norm(np.clip(numbers, norm.vmin, norm.vmax)), np.nan)
            picture[:, j, :3] = np.where(np.isfinite(grey), grey, 1.0)[:, None]
            low, high = (f"{v:.3g}" for v in (norm.vmin, norm.vmax))
            handles.append(Patch(facecolor="#BBBBBB", label=f"{shown(name)}: {low} light, {high} dark"))
            continue
        text = values.astype(object).where(values.notna(), None)
        levels = sorted({str(v) for v in text if v is not None})
        if len(levels) > NAMED:
            picture[[v is not None for v in text], j] = mpl.colors.to_rgba(OTHERS)
            handles.append(Patch(facecolor=OTHERS, label=f"{shown(name)}: {len(levels) - NAMED} others"))
        for i, level in enumerate(levels[:NAMED]):
            colour = colours[(used + i) % len(colours)]
            picture[[str(v) == level if v is not None else False for v in text], j] = mpl.colors.to_rgba(colour)
            handles.append(Patch(facecolor=colour, label=f"{shown(name)}: {level}"))
        used += len(levels)
    ax.imshow(picture, aspect="auto", interpolation="nearest")
    ax.set_xticks(range(about.shape[1]), [shown(name) for name in about.columns], rotation=90, fontsize=6.5)
    ax.set_yticks([])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return handles
