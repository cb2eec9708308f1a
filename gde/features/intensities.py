"""Intensities of pixels that come in blocks: their quantiles, exact, in memory that does not grow."""

import numpy as np

LEVELS = 1 << 16  # values that a pixel of 16 bits can have
PIXELS = 1 << 24  # counted together


class Intensities:
    """How often each value occurs in each channel of images uint8 or uint16; counts (c, 65536) int64."""

    def __init__(self, channels: int):
        self.counts = np.zeros((channels, LEVELS), np.int64)

    def add(self, images: np.ndarray) -> None:
        """Count the pixels of images (m, c, h, w)."""
        step = max(1, PIXELS // max(1, int(np.prod(images.shape[1:]))))
        for start in range(0, len(images), step):
            for channel, pixels in enumerate(images[start : start + step].swapaxes(0, 1)):
                found = np.bincount(pixels.ravel(), minlength=256)
                self.counts[channel, : len(found)] += found

    def quantile(self, q: float) -> np.ndarray:
        """The smallest value (c,) int64 of each channel that a share q of its pixels does not exceed."""
        below = self.counts.cumsum(1)
        wanted = np.maximum(1, np.ceil(q * below[:, -1] - 1e-9)).astype(np.int64)
        return (below < wanted[:, None]).sum(1)
