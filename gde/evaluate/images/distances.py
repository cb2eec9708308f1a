"""Distances of sets of images in features: energy and Fréchet, all pairs at once."""

import numpy as np
import torch

from gde.distances.gaussian import gaussian_w2


def energy_matrix(a: list[np.ndarray], b: list[np.ndarray]) -> np.ndarray:
    """Unbiased energy distances (len(a), len(b)) of sets of features (n_i, f), two or more in each: 2 E|x - y| -
    E|x - x'| - E|y - y'| (Székely & Rizzo 2013); may be a little below 0."""
    own = [np.array([_within(x) for x in sets]) for sets in (a, b)]
    x, y = torch.from_numpy(np.concatenate(a)), torch.from_numpy(np.concatenate(b))
    stops = [np.cumsum([len(part) for part in sets]) for sets in (a, b)]
    out = np.empty((len(a), len(b)))
    for i, (stop, part) in enumerate(zip(stops[0], a, strict=True)):
        mean = torch.cdist(x[stop - len(part) : stop], y, compute_mode="donot_use_mm_for_euclid_dist").mean(0).numpy()
        out[i] = [v.mean() for v in np.split(mean, stops[1][:-1])]
    return 2 * out - own[0][:, None] - own[1]


def _within(x: np.ndarray) -> float:
    d = torch.cdist(torch.from_numpy(x), torch.from_numpy(x), compute_mode="donot_use_mm_for_euclid_dist")
    return float(d.sum()) / (len(x) * (len(x) - 1))


def frechet(a: np.ndarray, b: np.ndarray) -> float:
    """Squared W2 of normal distributions with the moments of features (n, f) and (m, f): the Fréchet distance (Heusel
    et al. 2017), in features of our own. It is biased upwards by the noise of covariances: compare equal numbers."""
    moments = [torch.from_numpy(v) for x in (a, b) for v in (x.mean(0)[None], np.cov(x.T)[None])]
    return float(gaussian_w2(*moments)[0] ** 2)
