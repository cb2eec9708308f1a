"""Labels beside points, each where it covers neither points nor other labels."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.textpath import TextPath

SIZE = 6.5  # points
AROUND = [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1)]
REACH = (1.5, 6.0, 12.0)  # points from the edge of the mark


def place_labels(
    ax: Axes,
    x: np.ndarray,
    y: np.ndarray,
    radius: np.ndarray,
    at: Sequence[int],
    texts: Sequence[str],
    colours: Sequence[str],
) -> bool:
    """Write texts beside the points at positions `at` of all points x, y (g,) whose marks have a radius (g,) in
    points; False, and nothing, where there is no room for all of them. Axes must have their limits and place."""
    dots = ax.transData.transform(np.stack([x, y], 1)) * 72 / ax.figure.dpi  # points
    box = ax.get_window_extent().transformed(ax.figure.dpi_scale_trans.inverted())
    frame = np.array([box.x0, box.y0, box.x1, box.y1]) * 72
    taken: list[np.ndarray] = []
    found: list[tuple[np.ndarray, int]] = []  # box, and on which side of the mark
    for i, text in zip(at, texts, strict=True):
        wide, high = TextPath((0, 0), text, size=SIZE).get_extents().width + 1, 1.4 * SIZE
        for reach in REACH:
            spots = [(_spot(dots[i], wide, high, radius[i] + reach, way), way[0]) for way in AROUND]
            free = [
                (box, side)
                for box, side in spots
                if _inside(box, frame) and not any(_cross(box, t) for t in taken) and not _hit(box, dots, radius)
            ]
            if free:
                break
        else:
            return False
        taken.append(free[0][0])
        found.append(free[0])
    for i, text, colour, (box, side) in zip(at, texts, colours, found, strict=True):
        # held at the edge beside the mark: viewers have other letters
        along = {1: box[0], 0: (box[0] + box[2]) / 2, -1: box[2]}[side]
        offset = np.array([along, (box[1] + box[3]) / 2]) - dots[i]
        far = np.linalg.norm(np.clip(dots[i], box[:2], box[2:]) - dots[i]) > radius[i] + REACH[0] + 1
        line = {"arrowstyle": "-", "color": colour, "linewidth": 0.4, "shrinkA": 0, "shrinkB": 2} if far else None
        ax.annotate(
            text, (x[i], y[i]), tuple(np.round(offset, 1)), textcoords="offset points", va="center",
            ha={1: "left", 0: "center", -1: "right"}[side], fontsize=SIZE, color=_darker(colour), arrowprops=line,
            zorder=5,
        )  # fmt: skip
    return True


def _spot(dot: np.ndarray, wide: float, high: float, reach: float, direction: tuple[int, int]) -> np.ndarray:
    """Box (left, bottom, right, top) of a text in a direction from a dot."""
    along = np.array(direction, float)
    middle = dot + along * (reach + np.array([wide, high]) / 2)
    return np.concatenate([middle - np.array([wide, high]) / 2, middle + np.array([wide, high]) / 2])


def _inside(box: np.ndarray, frame: np.ndarray) -> bool:
    return bool((box[:2] >= frame[:2]).all() and (box[2:] <= frame[2:]).all())


def _cross(a: np.ndarray, b: np.ndarray) -> bool:
    return bool((a[:2] < b[2:]).all() and (b[:2] < a[2:]).all())


def _hit(box: np.ndarray, dots: np.ndarray, radius: np.ndarray) -> bool:
    return bool((np.linalg.norm(np.clip(dots, box[:2], box[2:]) - dots, axis=1) < radius + 0.5).any())


def _darker(colour: str) -> tuple[float, ...]:
    """Text is thinner than a mark: three quarters of its light."""
    from matplotlib.colors import to_rgb

    return tuple(0.75 * c for c in to_rgb(colour))
