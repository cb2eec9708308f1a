"""Kinds of models, each with the sections of an experiment that it is made from."""

from typing import ClassVar, Literal

from pydantic import Field

from gde.config.base import Section


class Gde(Section):
    """The default: the sections `encoder`, `generator` and `objective`."""

    kind: Literal["gde"] = Field(description="a set encoder and a conditional generator, trained by an objective")

    # section of an experiment: package whose REGISTRY its kinds are in; what the digests of code follow
    PARTS: ClassVar[dict[str, str]] = {"encoder": "gde.encoders", "generator": "gde.generators"}
    TRAINED_BY: ClassVar[dict[str, str]] = {"objective": "gde.objectives"}


KINDS = {"gde": Gde}
Model = Gde  # with a second kind: their union, discriminated by `kind`
