"""Tools on embeddings of groups: they write into the slots of an AnnData as scanpy does, and return tables."""

from importlib import import_module
from typing import Any

WHERE = {
    "map": "mapping",
    "distances": "pairwise",
    "associations": "association",
    "remove_batch": "batches",
    "compare_groups": "differences",
    "drivers": "driver_features",
    "contributions": "driver_samples",
    "carriers": "driver_samples",
}
__all__ = list(WHERE)


def __getattr__(name: str) -> Any:
    if name in WHERE:
        return getattr(import_module(f"gde.tl.{WHERE[name]}"), name)
    raise AttributeError(f"module 'gde.tl' has no attribute {name!r}")
