"""Names to classes: a dict of "module:Class", imported only when used."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any


def resolve_kind(registry: Mapping[str, str], kind: str) -> Any:
    """The object named by ``registry[kind]``. Raises ValueError naming the known kinds."""
    if kind not in registry:
        raise ValueError(f"kind: found {kind!r}, expected one of {', '.join(registry)}")
    return named(registry[kind])


def named(place: str) -> Any:
    """The object at "module:name"."""
    module, name = place.split(":")
    return getattr(import_module(module), name)


def build(registry: Mapping[str, str], section: Mapping[str, Any], **fixed: Any) -> Any:
    """Construct ``registry[section["kind"]]`` with the section's other keys as keyword arguments."""
    options = {k: v for k, v in section.items() if k != "kind"}
    return resolve_kind(registry, section["kind"])(**fixed, **options)
