"""Other values for a key of a section, and whether one shows."""

from collections.abc import Callable, Iterator
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError

from gde.config.kinds import kind_of
from gde.config.messages import submodels
from gde.errors import GdeError

BY_DATA = ("auto", "long")  # in the place of a number, which the data give before anything is computed


def alternatives(field: Any, value: Any) -> Iterator[Any]:
    """Values that may stand in the place of a field's, by its annotation."""
    for model in submodels(field.annotation):
        if kind_of(model) != (value or {}).get("kind") or value is None:
            yield {"kind": kind_of(model)} if kind_of(model) else None
    kinds = _plain(field.annotation)
    for kind in kinds:
        if get_origin(kind) is Literal:
            yield from (option for option in get_args(kind) if option not in (value, *BY_DATA))
    if isinstance(value, bool):
        yield not value
    elif bool in kinds:
        yield from (True, False)
    elif isinstance(value, int) or (value is None and int in kinds):
        yield from (n for n in ((value or 2) + 1, 2 * (value or 2), (value or 2) - 1, 1, 2, 3, 5) if n != value)
    elif isinstance(value, float) or (value is None and float in kinds):
        yield from (n for n in ((value or 1.0) / 2, (value or 1.0) * 2, 0.0, 0.1, 1.0) if n != value)
    if NoneType in kinds and value is not None:
        yield None


def _plain(annotation: Any) -> list[Any]:
    """The types inside an annotation: Annotated[int, ...] | None -> [int, NoneType]."""
    if hasattr(annotation, "__metadata__"):
        return _plain(annotation.__origin__)
    if get_origin(annotation) is Literal or not get_args(annotation):
        return [annotation]
    return [kind for inner in get_args(annotation) for kind in _plain(inner)]


def shows(model: type[BaseModel], section: dict, key: str, effect: Callable[[dict], Any], values: Any = None) -> bool:
    """Whether another value of a key has an effect, or every one is refused; values : those to try, by default by the
    field's annotation. effect : of a section, something to compare; ValueErrors of what it builds refuse, too."""
    before, refused, tried = effect(section), 0, 0
    for value in values if values is not None else alternatives(model.model_fields[key], section[key]):
        tried += 1
        try:
            changed = model.model_validate({**section, key: value}).model_dump()
            after = effect(changed)
        except (ValidationError, GdeError, ValueError):
            refused += 1
            continue
        if after != before:
            return True
    return tried > 0 and refused == tried
