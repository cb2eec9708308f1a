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
WIDTH = 7.2  # inches: the text width of a report

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
    figure.text(1.0, -0.005, stamp, ha="right", va="top", fontsize=6.5, color=GREY)
    with atomic_path(svg) as a, atomic_path(png) as b:
        figure.savefig(a, format="svg", metadata={"Date": None, "Creator": "gde"}, bbox_inches="tight", pad_inches=0.08)
        a.write_text(f"{_clips_by_content(a.read_text())}<!-- {SEAL_TEXT} -->\n")
        seal(a)
        figure.savefig(b, format="png", metadata={"Software": None}, dpi=160, bbox_inches="tight", pad_inches=0.08)


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


def categories(values: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Category -> (colour, marker), in sorted order; markers change when the colours are used up."""
    names = sorted(set(values))
    return {name: (CYCLE[i % len(CYCLE)], MARKERS[i // len(CYCLE) % len(MARKERS)]) for i, name in enumerate(names)}
