"""Kinds of models. A new one is a class that fulfils `gde.models.base.Model`, a line in REGISTRY and its options in
`gde.config.models`; training, embedding, sampling and evaluation stay as they are."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gde.nets.registry import resolve_kind

if TYPE_CHECKING:
    from gde.models.base import Model

REGISTRY = {"gde": "gde.model:GDE"}
DEFAULT = "gde"  # of configurations that name no kind


def kind_of_model(config: Mapping[str, Any]) -> str:
    """The kind that a resolved experiment, or the config.json beside a model, names."""
    return config.get("model", {}).get("kind", DEFAULT)


def model_class(config: Mapping[str, Any]) -> "type[Model]":
    """The class behind that kind. ValueError for an unknown one."""
    return resolve_kind(REGISTRY, kind_of_model(config))
