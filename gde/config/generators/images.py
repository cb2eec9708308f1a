"""Options of the generators of images, but for those of vectors and images."""

from typing import ClassVar, Literal

from pydantic import Field

from gde.config.base import Count, NonNegative, Whole
from gde.config.generators.base import GeneratorKind
from gde.config.generators.vectors import SUBSAMPLE


class CnnVae(GeneratorKind):
    sample_types: ClassVar = ("images",)
    kind: Literal["cnn_vae"] = Field(description="conditional variational autoencoder of images, by convolutions")
    hidden: Count = Field(128, description="channels of the finest maps")
    layers: Count = Field(4, description="blocks at each size of the maps")
    code_dim: Count = Field(32, description="dimensions of an image's code")
    beta: NonNegative = Field(1.0, description="weight of the KL divergence (nats); 1 = evidence lower bound")
    warmup: Whole = Field(0, description="steps over which beta rises from 0")
    observation_noise: bool = Field(False, description="samples include the learned noise of pixels")
    subsample: Count | None = Field(None, description=SUBSAMPLE)
