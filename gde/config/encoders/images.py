"""Options of the encoders of sets of images."""

from typing import ClassVar, Literal

from pydantic import Field

from gde.config.base import Count
from gde.config.encoders.base import EncoderKind


class ImageConv(EncoderKind):
    sample_types: ClassVar = ("images",)
    kind: Literal["image_conv"] = Field(
        description="convolutions over images, the last of which also see the set's mean feature map"
    )
    hidden: Count = Field(64, description="channels of the feature maps; the finest have half as many")
    layers: Count = Field(2, description="convolutions that see the set's mean map")
