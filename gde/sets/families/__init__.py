"""Parametric families of distributions with known truth, by kind."""

from importlib import import_module
from typing import Any

from gde.errors import bad

REGISTRY = {
    "normal": "gde.sets.families.normal:Normal",
    "poisson": "gde.sets.families.poisson:Poisson",
    "multinomial": "gde.sets.families.multinomial:Multinomial",
    "mvn": "gde.sets.families.mvn:Mvn",
    "mvn_lowrank": "gde.sets.families.mvn_lowrank:MvnLowRank",
    "gmm": "gde.sets.families.gmm:Gmm",
}


def build(kind: str, **params: Any):
    """The family `kind` with the parameters of its distribution, e.g. ``build("mvn", dim=5, df=40)``.

    Raises GdeError for an unknown kind and for impossible parameters, TypeError for unknown ones.
    """
    if kind not in REGISTRY:
        raise bad("dataset.kind", repr(kind), f"one of {', '.join(REGISTRY)}", "choose a family")
    module, name = REGISTRY[kind].split(":")
    return getattr(import_module(module), name)(**params)
