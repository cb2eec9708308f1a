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

FREE = 0.08  # of a window, on each side
GROWN = 0.5  # of a window, on each side at most, for what is drawn around places
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


def window(
    x: np.ndarray, y: np.ndarray, *, sure: np.ndarray | None = None, half: tuple[np.ndarray, np.ndarray] | None = None
) -> tuple[float, float, float, float]:
    """Left, right, bottom, top of what is shown of places x, y (g,): without outliers, never very flat or narrow.

    sure : groups (g,) that set the scale, where these are half of all or more.   half : half widths and heights (g,) of
    what is drawn around places, NaN where nothing is: shown as far as it takes no more than GROWN of the plain window.
    """
    if sure is None or 2 * sure.sum() < len(x):
        sure = np.ones(len(x), bool)
    inside = sure.copy()
    inside[sure] = ~(outlying(x[sure]) | outlying(y[sure]))
    (x0, x1), (y0, y1) = limits(x[inside]), limits(y[inside])
    if half is not None:
        (x0, x1), (y0, y1) = (
            _grown(low, high, v[inside], h[inside]) for low, high, v, h in ((x0, x1, x, half[0]), (y0, y1, y, half[1]))
        )
    wide, high = max(x1 - x0, 1e-9), max(y1 - y0, 1e-9)
    wide, high = max(wide, 0.8 * high), max(high, 0.6 * wide)
    wide, high = (0.5 + FREE) * wide, (0.5 + FREE) * high
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    return x - wide, x + wide, y - high, y + high


def _grown(low: float, high: float, values: np.ndarray, half: np.ndarray) -> tuple[float, float]:
    """low and high moved apart, so that what is drawn around values (g,) has room."""
    half, most = np.nan_to_num(half), GROWN * (high - low)
    return max(low - most, min(low, float((values - half).min()))), min(
        high + most, max(high, float((values + half).max()))
    )


def frame(ax: Axes, x: np.ndarray, y: np.ndarray, shown: tuple[float, float, float, float]) -> np.ndarray:
    """Set the limits (`window`) and a box in which both axes have one scale; returns which places (g,) lie outside of
    it."""
    left, right, bottom, top = shown
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
