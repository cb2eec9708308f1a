"""Nuclei: simulated pictures of single cells, two channels, from numbers that say how each one looks."""

import numpy as np
from scipy.ndimage import gaussian_filter

CHANNELS = ("DNA", "protein")
TRAITS = ("area", "elongation", "dna", "dna_texture", "protein", "protein_in_nucleus", "protein_texture")
# Natural logarithm of what a trait of one standard deviation of cells changes.
STEPS = np.array([0.15, 0.12, 0.2, 0.3, 0.25, 0.3, 0.3])
GAIN_STEP, BACKGROUND_STEP = 0.2, 0.2  # of plates and wells, likewise
RADIUS = 0.2  # of a nucleus, of the picture's side
CELL = 1.8  # radius of a cell, of its nucleus'
BRIGHT, BACKGROUND, READ = (3000.0, 1500.0), 300.0, 10.0  # counts of a camera of 16 bits
TEXTURE = 0.25  # relative standard deviation inside


def draw_cells(trait: np.ndarray, batch: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Pictures (n, 2, size, size) uint16 of cells in the middle, with traits (n, 7) in standard deviations of cells.

    batch (n, 4) : what plate and well do to the gain of each channel and to its background, in the same unit.
    A nucleus is a soft ellipse in any direction, a cell a larger one; the protein's share of the nucleus and the
    relative size of a texture follow the traits. Noise is the camera's: of photons, in normal approximation, and of
    reading. All on a logarithmic scale, so that any trait is a picture.
    """
    n = len(trait)
    log = trait * STEPS
    centre = (size - 1) / 2 + rng.uniform(-1, 1, (n, 2))
    y, x = (np.arange(size, dtype=np.float32) - centre[:, i, None].astype(np.float32) for i in range(2))
    angle = rng.uniform(0, np.pi, n).astype(np.float32)[:, None, None]
    along = np.cos(angle) * x[:, None, :] + np.sin(angle) * y[:, :, None]  # (n, size, size)
    across = np.cos(angle) * y[:, :, None] - np.sin(angle) * x[:, None, :]
    radius = (RADIUS * size * np.exp(log[:, 0] / 2)).astype(np.float32)[:, None, None]  # its square goes as the area
    long = np.exp(0.15 + log[:, 1] / 2).astype(np.float32)[:, None, None]
    distance = np.hypot(along / long, across * long)
    nucleus = _soft(radius - distance)
    ring = np.maximum(_soft(CELL * radius - distance) - nucleus, 0)
    ratio = np.exp(log[:, 5]).astype(np.float32)[:, None, None]
    light = (nucleus, (nucleus * ratio + ring) * 2 / (1 + ratio))
    out = np.empty((n, 2, size, size), np.uint16)
    for c, (level, texture) in enumerate(((2, 3), (4, 6))):
        field = gaussian_filter(rng.standard_normal((n, size, size), np.float32), (0, 1, 1))
        field *= (TEXTURE * np.exp(log[:, texture]) / field.std()).astype(np.float32)[:, None, None]
        gain = BRIGHT[c] * np.exp(log[:, level] + GAIN_STEP * batch[:, c])
        ground = BACKGROUND * np.exp(BACKGROUND_STEP * batch[:, 2 + c])
        counts = gain.astype(np.float32)[:, None, None] * light[c] * np.maximum(1 + field, 0)
        counts += ground.astype(np.float32)[:, None, None]
        counts += np.sqrt(counts + READ**2) * rng.standard_normal(counts.shape, np.float32)
        out[:, c] = np.clip(np.rint(counts), 0, np.iinfo(np.uint16).max)
    return out


def _soft(inside: np.ndarray) -> np.ndarray:
    """1 inside of an outline, 0 outside, over about two pixels; `inside` in pixels."""
    return 1 / (1 + np.exp(-np.clip(inside / 0.5, -30, 30)))
