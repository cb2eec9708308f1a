"""Kinds: a dict from names to "module:Class", imported only when used, and the options that each is built from."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of a kind: a field for each key of its section, with the default.

    The class that uses them names its own as `Options`. They say what a kind is, whatever the data: sizes that the data
    tell are arguments of its constructor. Subclasses refuse what cannot be in `__post_init__`, after that of `super()`.
    """

    def __post_init__(self) -> None:
        """ValueError naming the option that cannot be."""


def resolve_kind(registry: Mapping[str, str], kind: str) -> Any:
    """The object named by ``registry[kind]``. Raises ValueError naming the known kinds."""
    if kind not in registry:
        raise ValueError(f"kind: found {kind!r}, expected one of {', '.join(registry)}")
    return named(registry[kind])


def named(position: str) -> Any:
    """The object at "module:name"."""
    module, name = position.split(":")
    return getattr(import_module(module), name)


def build(registry: Mapping[str, str], section: Mapping[str, Any], **sizes: Any) -> Any:
    """Construct ``registry[section["kind"]]`` from the section's other keys, as its `Options`, and `sizes` of the data.

    Raises TypeError for a key that is none of its options, ValueError for an option that cannot be.
    """
    cls = resolve_kind(registry, section["kind"])
    return cls(cls.Options(**{key: value for key, value in section.items() if key != "kind"}), **sizes)
