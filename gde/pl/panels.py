"""Panels of a map: a panel for each column of obs, with error ellipses, sizes and who was held out."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import EllipseCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gde.figures.style import GREY
from gde.pl.canvas import COLUMN, frame, settle, window
from gde.pl.points import Points, legend_lines, shown
from gde.tl.columns import is_number

WITH_ELLIPSES = 300  # groups
AREA = (9.0, 70.0)  # points squared, of the smallest and the largest group


def size(
    table: pd.DataFrame, columns: Sequence[str], ncols: int = 2, basis: str = "pca", ellipses: bool | None = None
) -> tuple[float, float]:
    """Width and height in inches of a figure with a panel for each column, and room for legends."""
    wide = min(len(columns), ncols)
    left, right, bottom, top = seen(table, basis, shows_ellipses(table, basis, ellipses))
    box = 2.3 * (top - bottom) / (right - left)
    lines = [legend_lines(table, name) for name in columns]
    high = [box + 0.75 + 0.125 * max(lines[i : i + wide]) for i in range(0, len(columns), wide)]
    return COLUMN * wide + 0.1 * (wide - 1), sum(high) + (0.25 if wide > 1 else 0.4)


def places(table: pd.DataFrame, basis: str) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates (g,), (g,) of the groups."""
    return tuple(table[f"{'pc' if basis == 'pca' else basis}_{i}"].to_numpy(dtype=float) for i in (1, 2))


def seen(table: pd.DataFrame, basis: str, ellipses: bool) -> tuple[float, float, float, float]:
    """Left, right, bottom, top of a panel. Of principal components, groups of so few samples that their errors are not
    known do not set them, and ellipses have room."""
    if basis != "pca":
        return window(*places(table, basis))
    radius = table["radius"].to_numpy(dtype=float)
    half = tuple(radius * np.sqrt(np.maximum(table[name].to_numpy(dtype=float), 0)) for name in ("var_1", "var_2"))
    return window(*places(table, basis), sure=np.isfinite(radius), half=half if ellipses else None)


def draw_map(
    figure: Figure,
    table: pd.DataFrame,
    columns: Sequence[str],
    *,
    names: Sequence[str],
    basis: str = "pca",
    ellipses: bool | None = None,
    ncols: int = 2,
    titles: Mapping[str, str] | None = None,
) -> np.ndarray:
    """Panels of the map table into an empty figure; returns their axes (columns,).

    table : as `gde.tl.mapping.map_table`.   names : of both axes.   titles : more words on a column.
    """
    width = min(len(columns), ncols)
    grid = figure.subplots(-(-len(columns) // width), width, squeeze=False)
    axes = grid.ravel()[: len(columns)]
    for spare in grid.ravel()[len(columns) :]:
        spare.set_axis_off()
    given = {"names": names, "basis": basis, "ellipses": ellipses}
    last = [
        draw_panel(ax, table, name, title=(titles or {}).get(name, ""), **given)
        for ax, name in zip(axes, columns, strict=True)
    ]
    handles = marks(table, shows_ellipses(table, basis, ellipses))
    settle(figure, handles, len(handles) if width > 1 else 3, last)
    return axes


def shows_ellipses(table: pd.DataFrame, basis: str, asked: bool | None) -> bool:
    """Whether ellipses are drawn: by default of few groups, and where any error is known."""
    some = (table["radius"] * table["var_1"]).notna().any()
    return basis == "pca" and bool(some) and (len(table) <= WITH_ELLIPSES if asked is None else asked)


def draw_panel(
    ax: Axes,
    table: pd.DataFrame,
    name: str,
    *,
    names: Sequence[str],
    basis: str = "pca",
    ellipses: bool | None = None,
    title: str = "",
) -> Callable[[], bool]:
    """One panel: the groups coloured by one column. Returns the step that names them, see `settle`."""
    x, y = places(table, basis)
    ellipses = shows_ellipses(table, basis, ellipses)
    outside = frame(ax, x, y, seen(table, basis, ellipses))
    points = Points(ax, table, x, y, areas(table), held_out(table), outside)
    cut = draw_ellipses(ax, table, x, y) if ellipses else 0
    if is_number(table, name):
        last = points.numbers(table[name].to_numpy(dtype=float), name)
    else:
        last = points.names(table[name], name)
    ax.set_xlabel(names[0], fontsize=7.5)
    ax.set_ylabel(names[1], fontsize=7.5)
    ax.tick_params(labelsize=6.5)
    ax.set_title(shown(name), fontsize=9)
    said = [title] if title else []
    if outside.any():
        said.append(f"{outside.sum()} outside (triangles)")
    if cut:
        said.append(f"{cut} ellipse{'s'[: cut > 1]} cut")
    if said:
        ax.annotate(" · ".join(said), (0, 1), (0, 5), xycoords="axes fraction", textcoords="offset points",
                    fontsize=6.5, color=GREY)  # fmt: skip
        ax.set_title(shown(name), fontsize=9, pad=15)
    return last


def areas(table: pd.DataFrame) -> np.ndarray:
    """Areas of the marks (g,), by the logarithm of the number of samples."""
    if "n_samples" not in table:
        return np.full(len(table), 26.0)
    return area(table["n_samples"].to_numpy(dtype=float), table)


def area(n: np.ndarray, table: pd.DataFrame) -> np.ndarray:
    low, high = np.log(table["n_samples"].clip(lower=1).agg(["min", "max"]))
    few = min(1.0, (200 / len(table)) ** 0.5)  # of many groups smaller marks
    if high - low < 1e-9:
        return np.full(len(n), 26.0 * few)
    return few * (AREA[0] + (AREA[1] - AREA[0]) * (np.log(np.maximum(n, 1)) - low) / (high - low))


def held_out(table: pd.DataFrame) -> np.ndarray:
    """Which groups (g,) training did not see; all of them where nothing says so."""
    return (table["split"].astype(str) != "train").to_numpy() if "split" in table else np.ones(len(table), bool)


def marks(table: pd.DataFrame, ellipses: bool) -> list:
    """Legend of what is not colour: sizes, fillings, ellipses."""
    out = []
    look = {"marker": "o", "linestyle": "none", "color": GREY}
    held = held_out(table)
    if held.any() and not held.all():
        out.append(Line2D([], [], markerfacecolor="none", markersize=4.5, label="trained on", **look))
        out.append(Line2D([], [], markersize=4.5, label="held out", **look))
    if "n_samples" in table and table["n_samples"].nunique() > 1:
        for n in round_numbers(*table["n_samples"].agg(["min", "max"])):
            side = float(np.sqrt(area(np.array([n]), table)[0]))
            out.append(Line2D([], [], markersize=side, markeredgewidth=0, label=f"{n:,}", **look))
        out[-1].set_label(out[-1].get_label() + " samples")
    if ellipses:
        out.append(Line2D([], [], color=GREY, linewidth=0.7, label="95 % confidence (standard errors)"))
    return out


def round_numbers(low: int, high: int) -> list[int]:
    """Two or three numbers of samples between the smallest and the largest: 1, 2 or 5 times a power of ten where such
    lie between, else these two."""
    steps = [m * 10**k for k in range(len(str(high))) for m in (1, 2, 5) if low <= m * 10**k <= high]
    if len(steps) < 2:
        return [int(low), int(high)]
    return list(dict.fromkeys([steps[0], steps[len(steps) // 2], steps[-1]]))


def key_of_marks(ax: Axes, table: pd.DataFrame, ellipses: bool) -> None:
    """The legend of marks below axes that belong to somebody else's figure."""
    handles = marks(table, ellipses)
    own = ax.get_legend()
    if handles:
        key = ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(0, -0.22), ncols=3, fontsize=6.5)
        if own is not None:
            ax.add_artist(own)
            ax.legend_ = key


def draw_ellipses(ax: Axes, table: pd.DataFrame, x: np.ndarray, y: np.ndarray) -> int:
    """Confidence ellipses around places (g,), of groups whose errors are known; returns how many of those whose middle
    is shown the frame cuts."""
    a, b, c = (table[name].to_numpy(dtype=float) for name in ("var_1", "cov_12", "var_2"))
    middle, half = (a + c) / 2, np.hypot((a - c) / 2, b)
    radius = table["radius"].to_numpy(dtype=float)
    long, short = (2 * radius * np.sqrt(np.maximum(v, 0.0)) for v in (middle + half, middle - half))
    known = np.isfinite(long)
    ax.add_collection(
        EllipseCollection(
            long[known],
            short[known],
            np.degrees(np.arctan2(2 * b, a - c) / 2)[known],
            units="xy",
            offsets=np.stack([x, y], 1)[known],
            offset_transform=ax.transData,
            facecolors="none",
            edgecolors=GREY,
            linewidths=0.5,
            alpha=0.7,
            zorder=1,
        )
    )
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    wide, high = (radius * np.sqrt(np.maximum(v, 0.0)) for v in (a, c))
    shown = (left <= x) & (x <= right) & (bottom <= y) & (y <= top) & known
    return int((shown & ((x - wide < left) | (x + wide > right) | (y - high < bottom) | (y + high > top))).sum())
