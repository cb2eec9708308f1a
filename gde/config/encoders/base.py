"""What a kind of encoder says of itself."""

from typing import ClassVar

from gde.config.base import Section


class EncoderKind(Section):
    """Options of an encoder: the keyword arguments of the class that `gde.encoders.REGISTRY` names.

    sample_types : what the samples may be that it embeds.
    """

    sample_types: ClassVar[tuple[str, ...]] = ("vectors",)
