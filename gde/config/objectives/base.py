"""What a kind of objective says of itself."""

from typing import ClassVar

from gde.config.base import Section
from gde.config.datasets.base import DataSet, Pictures, TokenSequences, Vectors

ISOMETRY = "weight of (latent distance - W2)² on pairs of a batch; 0 = none"


class ObjectiveKind(Section):
    """Options of an objective: the keyword arguments of the function that `gde.objectives.REGISTRY` names.

    of : the data sets that it is for; simulated families have no labels.   mixes : whether it has a meaning for
    mixtures of any groups.
    """

    of: ClassVar[tuple[type[DataSet], ...]] = (Vectors, TokenSequences, Pictures)
    mixes: ClassVar[bool] = True
