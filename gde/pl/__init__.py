"""Plots of embeddings of groups, from the slots that `gde.tl` writes; they return matplotlib's axes."""

from importlib import import_module
from typing import Any

WHERE = {"map": "scatter", "distances": "heatmap", "associations": "lollipop", "drivers": "driver_bars"}
__all__ = list(WHERE)


def __getattr__(name: str) -> Any:
    if name in WHERE:
        return getattr(import_module(f"gde.pl.{WHERE[name]}"), name)
    raise AttributeError(f"module 'gde.pl' has no attribute {name!r}")
