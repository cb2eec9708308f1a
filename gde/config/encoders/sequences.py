"""Options of the encoders of sets of sequences."""

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from gde.config.base import Count, check_kernel
from gde.config.encoders.base import EncoderKind


class DnaConv(EncoderKind):
    sample_types: ClassVar = ("dna", "protein", "text")
    kind: Literal["dna_conv"] = Field(description="convolutions that also see the set's mean feature map; of sequences")
    hidden: Count = Field(64, description="channels")
    layers: Count = Field(3, description="convolutions after the first")
    kernel: Count = Field(7, description="width of the convolutions; odd")
    pool: Count = Field(1, description="positions averaged together after the first convolution; 4 is 3 times faster")
    readout: Literal["mean", "positions"] = Field(
        "mean", description="of the mean over positions, or also of single ones: for sequences that lie side by side"
    )

    @model_validator(mode="after")
    def possible(self):
        check_kernel(self)
        return self
