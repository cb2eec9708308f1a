"""Sample types: one class for each kind of data, under the names that kinds of models and data sets know it by.

A new one is a file here and a line in REGISTRY. Light imports only: the workflow asks while it reads its rules.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gde.nets.registry import resolve_kind

if TYPE_CHECKING:
    from gde.sets.types.base import SampleType

REGISTRY = {
    "vectors": "gde.sets.types.vectors:Vectors",
    "dna": "gde.sets.types.tokens:Tokens",
    "protein": "gde.sets.types.tokens:Tokens",
    "text": "gde.sets.types.texts:Texts",
}


def sample_type(name: str, shape: tuple[int, ...] | None = None) -> "SampleType":
    """The type of a name, of samples of a shape; None before the data are read. ValueError for an unknown name."""
    return resolve_kind(REGISTRY, name)(name, shape)


def type_of_store(meta: Mapping[str, Any]) -> "SampleType":
    """The type of a store's samples, from its meta.json: sequences name their `alphabet` there."""
    return sample_type(meta.get("alphabet", "vectors"), tuple(meta["sample_shape"]))


def type_of_model(config: Mapping[str, Any], dim: int) -> "SampleType":
    """The type of a model's samples, from its config.json (see `SampleType.section`); dim : numbers of a sample."""
    tokens = config.get("tokens")
    return sample_type("vectors" if tokens is None else tokens["alphabet"], (dim,))


def all_types() -> "list[SampleType]":
    """Each type once."""
    found = {}
    for name in REGISTRY:
        made = sample_type(name)
        found.setdefault(type(made), made)
    return list(found.values())
