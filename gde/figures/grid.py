"""Grid figure: one metric of a grid: a heat map of means over seeds with their intervals, or a curve over a numeric
axis."""

from collections.abc import Callable
from itertools import product
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure

from gde.config.words import baseline_words, metric_words
from gde.errors import bad
from gde.figures.style import BLACK, BLUE, CYCLE, GREEN, GREY, SEQUENTIAL, new, save, style
from gde.runs.grid import over_seeds, read_summary

NOT_DRAWN = ("ceiling",)  # drawn under its other name
LOG_RANGE = 10  # a ratio of largest to smallest from which a scale is logarithmic


def draw_grid(grid: str, metric: str, summary: Path, svg: Path, png: Path) -> None:
    """Draw `metric` from a grid's summary into `svg` and `png`, both or neither; the same input gives the same bytes.

    Raises GdeError when the summary is missing or damaged or holds no such metric.
    """
    table, axes = read_summary(summary)
    part = table[table["metric"] == metric]
    own = part[part["source"] == "model"]
    if own.empty:
        known = ", ".join(table["metric"].unique())
        raise bad(f"{summary}: metric", repr(metric), f"one of {known}", "name one of them under `metrics` of the grid")
    controls = part[~part["source"].isin(("model", *_twins(part)))]
    axes = [axis for axis in axes if axis != "seed"]
    with style():
        numeric = len(axes) == 1 and own[axes[0]].nunique() > 1 and _numbers(own[axes[0]]) is not None
        figure = curve(own, controls, axes[0], metric) if numeric else heat_maps(own, controls, axes, metric)
        seeds = ", ".join(own["seed"].unique()) if "seed" in own else "as configured"
        stamp = {"run": f"grid {grid}", "data": "/".join(own["data"].unique()), "seed": seeds}
        save(figure, stamp, svg, png)


def _twins(part: pd.DataFrame) -> list[str]:
    """Controls that only repeat another one: the ceiling where a control is the ceiling."""
    values = {source: rows["value"].to_numpy() for source, rows in part.groupby("source")}
    others = [v for source, v in values.items() if source not in (*NOT_DRAWN, "model")]
    return [s for s in NOT_DRAWN if s in values and any(np.array_equal(values[s], v) for v in others)]


def _numbers(labels: pd.Series) -> pd.Series | None:
    numbers = pd.to_numeric(labels, errors="coerce")
    return None if numbers.isna().any() else numbers


def _short(value: float) -> str:
    """Three digits."""
    return f"{value:#.3g}".rstrip(".").replace("-", "−")


def _title(own: pd.DataFrame, metric: str) -> str:
    best = {"higher": "higher is better", "lower": "lower is better"}
    n = own["seed"].nunique() if "seed" in own else 1
    what = f"mean and 95 % interval over {n} seeds" if n > 1 else "one seed, no interval"
    better = own["better"].iloc[0]
    words = metric_words(metric)
    unit = f", {words.unit}" if words.unit else ""
    return f"{words.name} ({best.get(better, f'best is {better}')}{unit}); {what}"


def curve(own: pd.DataFrame, controls: pd.DataFrame, axis: str, metric: str) -> Figure:
    """The metric over a numeric axis: mean over seeds with its interval, every seed, controls, published values."""
    figure, grid = new(height=3.4)
    ax = grid[0, 0]
    own = own.assign(at=_numbers(own[axis]))
    ax.scatter(own["at"], own["value"], s=9, color=BLUE, alpha=0.45, linewidths=0, label="each seed")
    points = [(at, *over_seeds(rows["value"].to_numpy())) for at, rows in own.groupby("at")]
    at, mean, half = zip(*points, strict=True)
    bars = None if any(h is None for h in half) else half
    ax.errorbar(at, mean, yerr=bars, color=BLUE, marker="o", ms=4, capsize=2.5, label="model", zorder=4)
    colours = iter(CYCLE[1:] * 3)
    for source, rows in controls.groupby("source", sort=False):
        name, published = baseline_words(source), source == "published"
        colour = {"chance": GREY, "ceiling": GREEN, "published": BLACK}.get(source) or next(colours)
        value, spread = rows["value"].mean(), rows["value"].max() - rows["value"].min()
        if not published and ((rows[axis] == "").any() or spread <= 0.01 * abs(value)):
            ax.axhline(value, label=f"{name} ({_short(value)})", lw=1, ls="--", color=colour)
            continue
        means = rows.assign(at=_numbers(rows[axis])).groupby("at")["value"].mean()
        look = {"marker": "*", "ms": 8, "lw": 0.8} if published else {"lw": 1, "ls": "--"}
        ax.plot(means.index, means, label=name, color=colour, **look)
    shown = pd.concat([own, controls[controls["source"].isin(("published", "ceiling"))]])["value"]
    low, high = np.min([*shown, *np.subtract(mean, bars or 0)]), np.max([*shown, *np.add(mean, bars or 0)])
    ax.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))  # controls may lie far off: the legend tells
    if min(at) > 0 and max(at) / min(at) > LOG_RANGE:
        ax.set_xscale("log", base=2)
        ax.xaxis.set_major_formatter("{x:g}")
    ax.set_xlabel(axis)
    ax.set_title(_title(own, metric), fontsize=9)
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def heat_maps(own: pd.DataFrame, controls: pd.DataFrame, axes: list[str], metric: str) -> Figure:
    """Rows are the first axis, columns the second, a panel for each combination of the others; controls beside."""
    row, column, *others = [*axes, None, None][: max(2, len(axes))]
    panels = list(product(*(own[axis].unique() for axis in others)))
    shape = [own[axis].nunique() if axis else 1 for axis in (row, column)]
    beside = list(controls["source"].unique())
    height = 0.9 + max(0.34 * shape[0] + 0.75, 0.27 * len(beside) + 0.5) * len(panels)
    ratios = [max(2, shape[1]), 1.1] if beside else [1]
    figure, grid = new(len(panels), len(ratios), height=height, width_ratios=ratios)
    paint = _paint(own)
    for line, labels in zip(grid, panels, strict=True):
        chosen, near = own, controls
        for axis, label in zip(others, labels, strict=True):
            chosen, near = chosen[chosen[axis] == label], near[near[axis].isin((label, ""))]
        _heat_map(line[0], chosen, row, column, paint)
        line[0].set_title(", ".join(f"{a} {b}" for a, b in zip(others, labels, strict=True)), fontsize=8)
        if beside:
            _controls(line[1], near, paint)
    figure.suptitle(_title(own, metric), fontsize=9, x=0.01, ha="left")
    return figure


def _paint(own: pd.DataFrame) -> Callable[[float], np.ndarray]:
    """Value -> colour (4,) over the range of the cells, the brightest the best; logarithmic where it is wide."""
    better = own["better"].iloc[0]
    to_best = {"higher": np.negative, "lower": np.asarray}.get(better) or (lambda v: np.abs(v - float(better)))
    lost = to_best(own["value"].to_numpy())
    low, high = lost.min(), lost.max()
    wide = low > 0 and high > LOG_RANGE * low
    norm = (LogNorm if wide else Normalize)(low, high if high > low else low + 1e-12, clip=True)
    return lambda value: np.asarray(mpl.colormaps[f"{SEQUENTIAL}_r"](norm(to_best(value))))


def _heat_map(ax: Axes, own: pd.DataFrame, row: str | None, column: str | None, paint: Callable) -> None:
    rows, columns = (list(own[axis].unique()) if axis else [""] for axis in (row, column))
    colours = np.ones((len(rows), len(columns), 4))
    for i, j in np.ndindex(len(rows), len(columns)):
        cell = own
        for axis, label in ((row, rows[i]), (column, columns[j])):
            cell = cell[cell[axis] == label] if axis else cell
        if cell.empty:  # this evaluation has no such metric
            continue
        mean, half = over_seeds(cell["value"].to_numpy())
        colours[i, j] = paint(mean)
        _write(ax, j, i, _short(mean) + (f"\n±{half:.1g}" if half is not None else ""), colours[i, j])
    ax.imshow(colours, aspect="auto")
    ax.set_xticks(range(len(columns)), columns)
    ax.set_yticks(range(len(rows)), rows)
    ax.set_xlabel(column or "")
    ax.set_ylabel(row or "")
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)


def _controls(ax: Axes, controls: pd.DataFrame, paint: Callable) -> None:
    """One patch for each control: its mean, or its range where it differs by more than seeds make it."""
    names = list(controls["source"].unique())
    for i, name in enumerate(names):
        values = controls.loc[controls["source"] == name, "value"]
        mean, low, high = values.mean(), values.min(), values.max()
        colour = paint(mean)
        ax.imshow(colour[None, None], extent=(-0.5, 0.5, i + 0.5, i - 0.5), aspect="auto")
        text = f"{_short(low)} to {_short(high)}" if high - low > 0.2 * abs(mean) else _short(mean)
        _write(ax, 0, i, text, colour)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_xticks([0], ["controls"])
    ax.set_yticks(range(len(names)), [baseline_words(name) for name in names])
    ax.yaxis.tick_right()
    ax.tick_params(length=0, labelsize=7)
    ax.spines[:].set_visible(False)


def _write(ax: Axes, x: float, y: float, text: str, background: np.ndarray) -> None:
    bright = background[:3] @ (0.299, 0.587, 0.114) > 0.5
    ax.text(x, y, text, ha="center", va="center", fontsize=6.5, color="black" if bright else "white")
