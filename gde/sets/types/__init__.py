"""Sample types: one class for each kind of data, under the names that kinds of models and data sets know it by.

A new one is a file here and a line in REGISTRY. Light imports only: the workflow asks while it reads its rules.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gde.nets.registry import resolve_kind

if TYPE_CHECKING:
    from gde.sets.types.base import SampleType

REGISTRY = {
    "vectors": "gde.sets.types.vectors:Vectors",
    "dna": "gde.sets.types.tokens:Tokens",
    "protein": "gde.sets.types.tokens:Tokens",
    "text": "gde.sets.types.texts:Texts",
    "images": "gde.sets.types.images:Images",
}


def sample_type(name: str, shape: Sequence[int] | None = None, **about: Any) -> "SampleType":
    """The type of a name, of samples of a shape; None before the data are read. about : what else the type has.
    ValueError for an unknown name."""
    about = {key: tuple(value) if isinstance(value, list) else value for key, value in about.items()}
    return resolve_kind(REGISTRY, name)(name, None if shape is None else tuple(shape), **about)


def type_of_store(meta: Mapping[str, Any]) -> "SampleType":
    """The type of a store's samples, from its meta.json: sequences name their `alphabet` there, images have `images`
    (what a pixel is)."""
    name = "images" if "images" in meta else meta.get("alphabet", "vectors")
    return sample_type(name, meta["sample_shape"], **meta.get("images", {}))


def type_of_model(config: Mapping[str, Any], constants: int) -> "SampleType":
    """The type of a model's samples, from its config.json (see `SampleType.section`); constants : numbers of its mean,
    which are those of a sample where the type does not say more."""
    if (images := config.get("images")) is not None:
        return sample_type("images", **images)
    tokens = config.get("tokens")
    return sample_type("vectors" if tokens is None else tokens["alphabet"], (constants,))


def all_types() -> "list[SampleType]":
    """Each type once."""
    found = {}
    for name in REGISTRY:
        made = sample_type(name)
        found.setdefault(type(made), made)
    return list(found.values())
