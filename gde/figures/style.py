"""Style: one look for all figures: Okabe-Ito colours, plain axes, and files whose bytes depend on the input only."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gde.files.io import atomic_path
from gde.files.seals import SEAL_TEXT, seal

# Okabe & Ito 2008, distinguishable with any colour vision
BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, VERMILION, PURPLE = (
    "#000000",
    "#E69F00",
    "#56B4E9",
    "#009E73",
    "#F0E442",
    "#0072B2",
    "#D55E00",
    "#CC79A7",
)
GREY = "#7F7F7F"
TRUTH, MODEL = GREY, BLUE
CYCLE = (BLUE, ORANGE, GREEN, PURPLE, VERMILION, SKY, BLACK)  # yellow dots are lost on white
MARKERS = "osD^vP*X"
SEQUENTIAL = "cividis"
WIDTH = 7.0  # inches: with the margin of `save` 183 mm, two columns of a journal
MARGIN = 0.08  # inches around all that is drawn
SMALLEST = 6.0  # points: of text that is still read in print
FENCE, FEW = 3.0, 0.02  # interquartile ranges beyond which a point is an outlier; share of points that outliers may be
DOT = 20.0  # points²: area of a dot

SETTINGS = {
    "font.family": "sans-serif",  # the SVG names it last, for readers without the first
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.titlepad": 7,
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.edgecolor": "#333333",
    "axes.prop_cycle": mpl.cycler(color=CYCLE),
    "axes.formatter.useoffset": False,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "figure.titlesize": 11,
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
    "savefig.facecolor": "white",
    "svg.hashsalt": "gde",
    "svg.fonttype": "none",  # text stays text: searched, copied, edited
    "path.simplify": True,
}


@contextmanager
def style() -> Iterator[None]:
    """The figures' settings, whatever the user's matplotlibrc says."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(SETTINGS)
        yield


def new(
    rows: int = 1, columns: int = 1, *, height: float, width: float = WIDTH, **options
) -> tuple[Figure, np.ndarray]:
    """A figure with a grid of axes (rows, columns); no pyplot, so no state and no display."""
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def save(figure: Figure, result: dict, svg: Path, png: Path) -> None:
    """Stamp the figure with run and kind of data, and write both files, dates left out."""
    stamp = f"{result['run']} · {result['data']} data · seed {result['seed']}"
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # what is laid out stays
    for legend in figure.legends:  # a tight box would move what is anchored to the edge of the page, onto the stamp
        legend.set_bbox_to_anchor((0, 0, 1, 1), transform=figure.transFigure)
    figure.text(1.0, -0.005, stamp, ha="right", va="top", fontsize=SMALLEST, color=GREY)
    with atomic_path(svg) as a, atomic_path(png) as b:
        figure.savefig(
            a, format="svg", metadata={"Date": None, "Creator": "gde"}, bbox_inches="tight", pad_inches=MARGIN
        )
        a.write_text(f"{_clips_by_content(a.read_text())}<!-- {SEAL_TEXT} -->\n")
        seal(a)
        figure.savefig(b, format="png", metadata={"Software": None}, dpi=160, bbox_inches="tight", pad_inches=MARGIN)


def _clips_by_content(svg: str) -> str:
    """Clip paths named by what the file says of them.

    matplotlib names them by all digits of their corners, and the solver of the layout leaves the last to chance.
    """
    clips = re.findall(r'<clipPath id="(\w+)">(.*?)</clipPath>', svg, re.DOTALL)
    names = {old: f"p{hashlib.sha256(content.encode()).hexdigest()[:10]}" for old, content in clips}
    return re.sub(r'(?<=url\(#)\w+(?=\))|(?<=<clipPath id=")\w+(?=")', lambda found: names.get(found[0], found[0]), svg)


def note(text: str) -> Figure:
    """A figure that only says why there is nothing to draw."""
    figure, axes = new(height=1.2)
    axes[0, 0].set_axis_off()
    axes[0, 0].text(0.5, 0.5, text, ha="center", va="center", color=GREY)
    return figure


def equal_limits(axes: Sequence[Axes], x: np.ndarray, y: np.ndarray) -> None:
    """The same limits and the same scale of x and y on all axes, 1 % of outliers on each side outside."""
    (x0, x1), (y0, y1) = (np.quantile(v, [0.01, 0.99]) for v in (x, y))
    half = 0.62 * max(x1 - x0, y1 - y0, 1e-9)
    for ax in axes:
        ax.set_xlim((x0 + x1) / 2 - half, (x0 + x1) / 2 + half)
        ax.set_ylim((y0 + y1) / 2 - half, (y0 + y1) / 2 + half)
        ax.set_aspect("equal")


def inside(x: np.ndarray, y: np.ndarray) -> tuple[tuple[float, float], tuple[float, float], np.ndarray]:
    """Limits of x and y that a few outliers do not set, and which points (n,) lie outside.

    Outliers are points beyond FENCE interquartile ranges of x or y, where these are at most FEW of all (or one).
    """
    out = np.zeros(len(x), dtype=bool)
    for v in (x, y):
        low, high = np.quantile(v, [0.25, 0.75])
        out |= (v < low - FENCE * (high - low)) | (v > high + FENCE * (high - low))
    if out.sum() > max(1, FEW * len(out)):
        out[:] = False
    limits = []
    for v in (x[~out], y[~out]):
        margin = 0.06 * (v.max() - v.min()) or 1.0
        limits.append((float(v.min() - margin), float(v.max() + margin)))
    return *limits, out


def fit(ax: Axes, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Set limits that outliers do not set; x and y with the outliers moved onto the edge, which a note tells."""
    xlim, ylim, out = inside(x, y)
    ax.set_xlim(xlim)
    ax.set_ylim(ylim)
    if out.any():
        ax.annotate(f"on the edge: {out.sum()} beyond it", (1, 0), (-2, 2), xycoords="axes fraction",
                    textcoords="offset points", ha="right", fontsize=SMALLEST, color=GREY)  # fmt: skip
    return np.clip(x, *xlim), np.clip(y, *ylim)


def areas(n: np.ndarray) -> np.ndarray:
    """Areas (points²) of dots for sets of n samples each: in proportion to n, at most 3 DOT, none too small."""
    n = np.asarray(n, dtype=float)
    return DOT * np.clip(3 * n / n.max(), 0.2, None) if len(set(n)) > 1 else np.full(len(n), DOT)


def size_handles(n: np.ndarray) -> list[Line2D]:
    """What the dots' areas say, for a legend: the smallest and the largest set; none where they hardly differ."""
    low, high = int(min(n)), int(max(n))
    if high < 1.5 * low:
        return []
    return [
        dot(GREY, label=f"{end:,} sample{'s' * (end != 1)}", ms=float(np.sqrt(area)))
        for end, area in zip((low, high), areas(np.array([low, high])), strict=True)
    ]


def dot(colour: str, marker: str = "o", **options) -> Line2D:
    """A dot of a legend."""
    look = {"lw": 0, "ms": 5, "mew": 0} | options
    return Line2D([], [], color=colour, marker=marker, **look)


def above(ax: Axes, **options) -> None:
    """The axes' legend above them, where it hides nothing."""
    look = {"loc": "lower left", "bbox_to_anchor": (0, 1.0), "ncols": 3, "handletextpad": 0.4, "columnspacing": 1.0}
    ax.legend(**look | {"borderaxespad": 0.2, "fontsize": 7} | options)


def name_points(ax: Axes, x: Sequence[float], y: Sequence[float], names: Sequence[str], at_most: int, **look) -> None:
    """Write names beside points, the first ones first, and none onto another. Limits and scales are set before.

    A name takes about 0.2 of the axes' width from its point on, and 0.05 of their height.
    """
    taken: list[np.ndarray] = []
    to_axes = ax.transData + ax.transAxes.inverted()
    for place, name in zip(to_axes.transform(np.column_stack([x, y])), names, strict=True):
        if len(taken) == at_most:
            return
        if any(abs(place[0] - other[0]) < 0.2 and abs(place[1] - other[1]) < 0.055 for other in taken):
            continue
        taken.append(place)
        left = place[0] > 0.8
        ax.annotate(name, place, (-3 if left else 3, 2), xycoords="axes fraction", textcoords="offset points",
                    ha="right" if left else "left", **{"fontsize": SMALLEST} | look)  # fmt: skip


def categories(values: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Category -> (colour, marker), in sorted order; markers change when the colours are used up."""
    names = sorted(set(values))
    return {name: (CYCLE[i % len(CYCLE)], MARKERS[i // len(CYCLE) % len(MARKERS)]) for i, name in enumerate(names)}
