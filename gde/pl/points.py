"""Points: the groups of one panel, coloured by a number or by categories, with their names or a legend."""

from collections.abc import Callable

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation

from gde.figures.style import SEQUENTIAL, categories
from gde.pl.canvas import colour_scale
from gde.pl.labels import place_labels
from gde.tl.columns import NAMED, is_number

COMMONEST = 11  # categories that are named where there are more than NAMED
DIRECT = 12  # categories that are written beside their points
BELOW = -28  # points from a panel to the legend under it: ticks and the label of the axis
BESIDE = 12  # letters of a name that still has room beside a panel
NONE = "#BBBBBB"  # of groups without a value, and of rare categories


class Points:
    """The groups of one panel: places x, y (g,), areas (g,), which are held out and which lie outside of the frame."""

    def __init__(self, ax, table, x, y, area, held, outside) -> None:
        self.ax, self.table, self.x, self.y, self.area, self.held, self.outside = ax, table, x, y, area, held, outside
        self.many = len(x) > 1000  # as pixels in an SVG

    def draw(self, which: np.ndarray, colours, marker: str, zorder: float = 2) -> None:
        """Some groups (mask), in one colour or a colour each (g, 4)."""
        each = not isinstance(colours, str)
        for held in (False, True):
            own = which & (self.held == held) & ~self.outside
            colour = colours[own] if each else colours
            self.ax.scatter(
                self.x[own], self.y[own], s=self.area[own], marker=marker, facecolors=colour if held else "none",
                edgecolors=colour, linewidths=0.4 if held else 0.8, zorder=zorder, rasterized=self.many,
            )  # fmt: skip
        self._edge(which & self.outside, colours, each)

    def _edge(self, which: np.ndarray, colours, each: bool) -> None:
        """Triangles at the edge, in the direction of groups that lie outside."""
        (left, right), (bottom, top) = self.ax.get_xlim(), self.ax.get_ylim()
        for i in np.flatnonzero(which):
            x, y = np.clip(self.x[i], left, right), np.clip(self.y[i], bottom, top)
            marker = ">" if self.x[i] > right else "<" if self.x[i] < left else "^" if self.y[i] > top else "v"
            self.ax.scatter(x, y, s=30, marker=marker, color=[colours[i]] if each else colours, clip_on=False, zorder=4)

    def numbers(self, values: np.ndarray, name: str) -> Callable[[], bool]:
        """Coloured by numbers (g,), with a bar; grey where there is none."""
        norm, extend = colour_scale(values)
        known = np.isfinite(values)
        colours = mpl.colormaps[SEQUENTIAL](norm(np.where(known, values, norm.vmin)))
        self.draw(~known, NONE, "o", 1.5)
        self.draw(known, colours, "o")
        scale = mpl.cm.ScalarMappable(norm, SEQUENTIAL)
        beside = self.ax.inset_axes((1.03, 0.05, 0.035, 0.9))
        bar = self.ax.figure.colorbar(scale, cax=beside, extend=extend)
        bar.set_label(shown(name) + ("" if known.all() else " (grey: unknown)"), fontsize=7)
        bar.outline.set_visible(False)
        bar.ax.tick_params(labelsize=6.5)
        return lambda: False

    def names(self, values: pd.Series, name: str) -> Callable[[], bool]:
        """Coloured by categories. Returns what names them, once the axes have their place: beside their points where
        they are few and there is room, else in a legend outside of the axes (True)."""
        text = values.astype(object).where(values.notna(), None)
        levels = text.dropna().astype(str)
        counted = levels.value_counts()
        chosen = sorted(counted.index) if len(counted) <= NAMED else sorted(counted.index[:COMMONEST])
        looks = categories(chosen)
        own = np.array([None if v is None else str(v) for v in text], dtype=object)
        rest = np.array([v is not None and v not in looks for v in own])
        missing = np.array([v is None for v in own])
        for which in (missing, rest):
            self.draw(which, NONE, "o", 1.5)
        colours = np.array([mpl.colors.to_rgba(looks[v][0] if v in looks else NONE) for v in own])
        shapes = np.array([looks[v][1] if v in looks else "" for v in own])
        for marker in dict.fromkeys(shape for _, shape in looks.values()):
            self.draw(shapes == marker, colours, marker)  # of all colours together: the last would hide the first
        handles = [
            Line2D([], [], marker=marker, color=colour, linestyle="none", markersize=4.5, label=_short(level))
            for level, (colour, marker) in looks.items()
        ]
        grey = {"marker": "o", "color": NONE, "linestyle": "none", "markersize": 4.5}
        if rest.any():
            handles.append(Line2D([], [], label=f"{len(counted) - len(chosen)} others", **grey))
        if missing.any():
            handles.append(Line2D([], [], label="unknown", **grey))
        place = [int(np.flatnonzero(own == level)[self.area[own == level].argmax()]) for level in looks]
        short = max(map(len, looks), default=0) <= BESIDE
        few = short and len(handles) == len(looks) <= DIRECT and len(own) <= 3 * len(looks)
        direct = few and bool(looks) and not self.outside[place].any()

        def legend() -> bool:
            where = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5), "ncols": 1 if len(handles) <= 14 else 2}
            if legend_lines(self.table, name):
                under = ScaledTranslation(-0.1, BELOW / 72, self.ax.figure.dpi_scale_trans)  # whatever the height
                where = {"loc": "upper left", "bbox_to_anchor": (0, 0), "ncols": 2}
                where["bbox_transform"] = self.ax.transAxes + under
            style = {"fontsize": 6.5, "handletextpad": 0.1, "labelspacing": 0.3, "columnspacing": 0.6}
            self.ax.legend(handles=handles, **style, **where)
            return True

        def beside() -> bool:
            tints = [colour for colour, _ in looks.values()]
            radius = np.sqrt(self.area / np.pi)
            return not place_labels(self.ax, self.x, self.y, radius, place, list(looks), tints) and legend()

        if direct:
            return beside
        legend()
        return lambda: False


def _short(name: str, most: int = 26) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"


def legend_lines(table: pd.DataFrame, name: str) -> int:
    """Lines of a legend that stands below its panel, since its words are long; 0 where it stands beside."""
    if is_number(table, name):
        return 0
    levels = table[name].dropna().astype(str).value_counts().index[:NAMED]
    long = max(map(len, levels), default=0) > BESIDE
    return -(-min(len(levels), NAMED) // 2) if long else 0


def shown(name: str) -> str:
    """A column's name in words."""
    return {"n_samples": "number of samples"}.get(name, name.replace("_", " "))
