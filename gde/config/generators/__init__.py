"""The section `generator`. A new kind is a class in one of these modules, and its code in `gde.generators`."""

from gde.config.generators import images, language, sequences, vectors
from gde.config.generators.base import GeneratorKind
from gde.config.kinds import kinds_in, one_of

GENERATORS = kinds_in(GeneratorKind, vectors, images, sequences, language)
Generator = one_of(GENERATORS)
