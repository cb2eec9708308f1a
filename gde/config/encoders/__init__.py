"""The section `encoder`. A new kind is a class in one of these modules, and its code in `gde.encoders`."""

from gde.config.encoders import images, language, sequences, vectors
from gde.config.encoders.base import EncoderKind
from gde.config.kinds import kinds_in, one_of

ENCODERS = kinds_in(EncoderKind, vectors, sequences, images, language)
Encoder = one_of(ENCODERS)
