"""Sheets: many images on one axes, all in the same window of intensities."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from gde.figures.style import SMALLEST

GAP = 1  # pixels between images
LOW, HIGH = 0.005, 0.995  # shares of the real pixels of a channel between which its intensities are shown
COLOURS = np.array([[0.35, 0.55, 1.0], [0.3, 1.0, 0.3], [1.0, 0.35, 0.3], [1.0, 0.9, 0.3], [1.0, 0.4, 1.0]])
BARS = (1, 2, 5, 10, 20, 50, 100)  # micrometres of a scale bar


def images_of(table: pd.DataFrame) -> np.ndarray:
    """The images (n, c, h, w) of a table of pictures, in its order."""
    h, w = int(table["height"].iloc[0]), int(table["width"].iloc[0])
    c = table["channel"].nunique()
    return table[[f"p_{i}" for i in range(h * w)]].to_numpy(float).reshape(-1, c, h, w)


def window(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The lowest and highest intensity shown of each channel, (c, 1, 1) each."""
    pixels = images.swapaxes(0, 1).reshape(images.shape[1], -1)
    low, high = (np.quantile(pixels, q, axis=1)[:, None, None] for q in (LOW, HIGH))
    return low, np.maximum(high, low + 1)


def coloured(images: np.ndarray, limits: tuple[np.ndarray, np.ndarray], channels: list[str]) -> np.ndarray:
    """Images (n, c, h, w) as colours (n, h, w, 3) from 0 to 1: grey of one channel, three without a name as red, green
    and blue, else a colour for each channel, added."""
    shown = ((images - limits[0]) / (limits[1] - limits[0])).clip(0, 1)
    if shown.shape[1] == 1:
        return shown.repeat(3, 1).transpose(0, 2, 3, 1)
    if shown.shape[1] == 3 and channels == ["0", "1", "2"]:
        return shown.transpose(0, 2, 3, 1)
    return np.einsum("nchw,cr->nhwr", shown, COLOURS[: shown.shape[1]]).clip(0, 1)


def sheet(rows: list[np.ndarray]) -> np.ndarray:
    """Rows of images (n, h, w, 3) as one picture, white between them."""
    lines = []
    for images in rows:
        padded = np.pad(images, ((0, 0), (GAP, GAP), (GAP, GAP), (0, 0)), constant_values=1.0)
        lines.append(np.concatenate(list(padded), 1))
    widest = max(line.shape[1] for line in lines)
    return np.concatenate(
        [np.pad(line, ((0, 0), (0, widest - line.shape[1]), (0, 0)), constant_values=1.0) for line in lines]
    )


def show(ax: Axes, picture: np.ndarray) -> None:
    """Draw a sheet, without axes."""
    ax.imshow(picture, interpolation="nearest", aspect="equal")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)


def scale_bar(ax: Axes, pixel_size: float, width: int) -> None:
    """A bar of about a third of an image (width pixels) below the sheet; none of pixel size 0, which is unknown."""
    if not pixel_size:
        return
    length = max((bar for bar in BARS if bar / pixel_size <= width / 2), default=BARS[0])
    ax.annotate(
        "", (0, -0.015), (length / pixel_size, -0.015), xycoords=("data", "axes fraction"),
        textcoords=("data", "axes fraction"), arrowprops={"arrowstyle": "-", "lw": 2, "shrinkA": 0, "shrinkB": 0},
    )  # fmt: skip
    ax.annotate(
        f"{length} µm", (length / pixel_size + 2, -0.015), xycoords=("data", "axes fraction"), va="center",
        fontsize=SMALLEST,
    )  # fmt: skip
