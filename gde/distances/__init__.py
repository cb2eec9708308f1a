"""Distances between sets of samples, Gaussians and mixtures: functions of tensors, batched over sets.

Roots: `gaussian_w2`, `gaussian_w2_matrix`, `exact_w2`, `mw2`, `mw2_matrix`, `sliced_w2`.
Squares: `bures2`, `mmd` (MMD^2), `energy_distance` (as defined, no root).
"""

from gde.distances.em import fit_gmm_from
from gde.distances.energy import energy_distance
from gde.distances.exact import exact_ot_plan, exact_w2
from gde.distances.gaussian import bures2, gaussian_ot_path, gaussian_w2, gaussian_w2_matrix
from gde.distances.mixture import mw2, mw2_matrix
from gde.distances.mmd import median_bandwidth, mmd
from gde.distances.sliced import sliced_w2

__all__ = [
    "bures2",
    "energy_distance",
    "exact_ot_plan",
    "exact_w2",
    "fit_gmm_from",
    "gaussian_ot_path",
    "gaussian_w2",
    "gaussian_w2_matrix",
    "median_bandwidth",
    "mmd",
    "mw2",
    "mw2_matrix",
    "sliced_w2",
]
