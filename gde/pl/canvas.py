"""Canvas: figures that notebooks show, in the look of all figures, and the limits that outliers do not set."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gde.figures.style import SETTINGS
from gde.tl.embedded import outlying

PASSES = 2  # until a layout of axes of one scale, which may not fill their places, has settled
COLUMN = 3.5  # inches: the width of a column of a journal


@contextmanager
def look() -> Iterator[None]:
    """The settings of all figures, for what is made in the block."""
    with mpl.rc_context(SETTINGS):
        yield
        interactive = mpl.is_interactive()  # a notebook's backend says so when the first figure loads it
    mpl.interactive(interactive)


def shown_figure(width: float, height: float) -> Figure:
    """A figure of pyplot's, which a notebook shows and a script with plt.show()."""
    from matplotlib import pyplot

    return pyplot.figure(figsize=(width, height), layout="compressed")


def limits(values: np.ndarray) -> tuple[float, float]:
    """Lowest and highest of the values (g,) that are no outliers (`gde.tl.embedded.outlying`)."""
    inside = values[~outlying(values)]
    return float(inside.min()), float(inside.max())


def window(x: np.ndarray, y: np.ndarray, margin: float = 0.08) -> tuple[float, float, float, float]:
    """Left, right, bottom, top of what is shown of places x, y (g,): without outliers, never very flat or narrow."""
    inside = ~(outlying(x) | outlying(y))
    (x0, x1), (y0, y1) = limits(x[inside]), limits(y[inside])
    wide, high = max(x1 - x0, 1e-9), max(y1 - y0, 1e-9)
    wide, high = max(wide, 0.8 * high), max(high, 0.6 * wide)
    wide, high = (0.5 + margin) * wide, (0.5 + margin) * high
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    return x - wide, x + wide, y - high, y + high


def frame(ax: Axes, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Set the limits and a box in which both axes have one scale; returns which places (g,) lie outside of it."""
    left, right, bottom, top = window(x, y)
    ax.set_xlim(left, right)
    ax.set_ylim(bottom, top)
    ax.set_box_aspect((top - bottom) / (right - left))
    return (x < left) | (x > right) | (y < bottom) | (y > top)


def colour_scale(values: np.ndarray) -> tuple[Any, str]:
    """Norm of a colour bar and where it is open: without outliers, logarithmic where values span more than 30 fold."""
    known = values[np.isfinite(values)]
    low, high = limits(known)
    if known.min() > 0:
        lowest, highest = np.exp(limits(np.log(known)))
    logarithmic = known.min() > 0 and highest > 30 * lowest
    if logarithmic:
        low, high = lowest, highest
    room = 1e-9 * max(abs(low), abs(high))
    open_low, open_high = bool((known < low - room).any()), bool((known > high + room).any())
    extend = {(0, 0): "neither", (1, 0): "min", (0, 1): "max", (1, 1): "both"}[open_low, open_high]
    if logarithmic:
        return mpl.colors.LogNorm(low, high), extend
    return mpl.colors.Normalize(low, high if high > low else low + 1), extend


def settle(figure: Figure, handles: list, ncols: int, last: Sequence[Callable[[], bool]] = ()) -> None:
    """The last step: a legend below all axes, and the layout as it then is.

    last : what is drawn once axes have their place; each says whether it needs room outside of them.
    Where a file is cut to what is drawn (bbox_inches='tight'), matplotlib would pull the legend to its edge.
    """
    style = {"fontsize": 7, "columnspacing": 1.2, "handletextpad": 0.3, "borderpad": 0}
    legend = figure.legend(handles=handles, loc="outside lower left", ncols=ncols, **style) if handles else None
    for _ in range(PASSES):
        figure.draw_without_rendering()
    needs = [step() for step in last]
    for _ in range(PASSES if any(needs) else 0):
        figure.draw_without_rendering()
    figure.set_layout_engine("none")
    if legend is not None:
        legend.set_bbox_to_anchor((0, 0, 1, 1), figure.transFigure)
