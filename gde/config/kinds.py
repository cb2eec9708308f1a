"""Kinds: classes with a literal `kind`, collected from the modules of a subject, and the sections that name one."""

from collections.abc import Mapping
from types import ModuleType
from typing import Annotated, Any, Union, get_args

from pydantic import Field, TypeAdapter
from pydantic_core import core_schema

from gde.config.base import Section


def kinds_in(base: type[Section], *modules: ModuleType) -> dict[str, type[Section]]:
    """Kind -> class, of every kind below `base` that these modules define, in their order."""
    out: dict[str, type[Section]] = {}
    for module in modules:
        for c in vars(module).values():
            if isinstance(c, type) and c.__module__ == module.__name__ and issubclass(c, base) and (kind := kind_of(c)):
                if kind in out:
                    raise ValueError(
                        f"kind {kind!r}: found {c.__qualname__} beside {out[kind].__qualname__}, expected one"
                    )
                out[kind] = c
    return out


def kind_of(model: type) -> str | None:
    """The value of a model's `kind`; None where it has none."""
    field = model.model_fields.get("kind")
    return get_args(field.annotation)[0] if field else None


def one_of(kinds: Mapping[str, type[Section]]) -> Any:
    """The annotation of a section that is one of these kinds."""
    return Annotated[Union[tuple(kinds.values())], ByKind()]  # noqa: UP007  the classes are not known to the parser


class ByKind:
    """Marks a union of kinds: a value is validated by the class that its `kind` names, and only that one is built."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        choices = {kind_of(c): core_schema.no_info_plain_validator_function(c.model_validate) for c in get_args(source)}
        return core_schema.tagged_union_schema(choices, discriminator="kind")

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> Any:
        classes = tuple(choice["function"]["function"].__self__ for choice in schema["choices"].values())
        return handler(TypeAdapter(Annotated[Union[classes], Field(discriminator="kind")]).core_schema)  # noqa: UP007
