"""The section `objective`. A new kind is a class in one of these modules, and its code in `gde.objectives`."""

from gde.config.kinds import kinds_in, one_of
from gde.config.objectives import general, perturbation
from gde.config.objectives.base import ObjectiveKind

OBJECTIVES = kinds_in(ObjectiveKind, general, perturbation)
Objective = one_of(OBJECTIVES)
