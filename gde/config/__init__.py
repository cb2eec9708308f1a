"""Configuration: pydantic models, one file per section. Light imports only, since every job reads it."""

from gde.config.findings import find_all
from gde.config.grid_cells import resolve_grids
from gde.config.listing import RESERVED, experiment_names
from gde.config.resolve import resolve, resolve_all, run_id, settings, training_slice

__all__ = [
    "RESERVED",
    "experiment_names",
    "find_all",
    "resolve",
    "resolve_all",
    "resolve_grids",
    "run_id",
    "settings",
    "training_slice",
]
