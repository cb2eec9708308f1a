"""What a kind of generator says of itself."""

from typing import ClassVar

from gde.config.base import Section


class GeneratorKind(Section):
    """Options of a generator: the keyword arguments of the class that `gde.generators.REGISTRY` names.

    sample_types : what the samples may be that it makes.   published : what they are where it starts from published
    weights; None where there are none.   by_type : whether its network is one or the other by what samples are
    (`gde.nets.velocity`).
    """

    sample_types: ClassVar[tuple[str, ...]] = ("vectors",)
    published: ClassVar[str | None] = None
    by_type: ClassVar[bool] = False
