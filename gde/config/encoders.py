"""Options of the set encoders: the keyword arguments of the classes in `gde.encoders`."""

from typing import Annotated, Literal

from pydantic import Field

from gde.config.base import Count, Section

MOMENTS = "also give each sample in within-set standardised form, (x - mean) / sd"
SKIP = "add a linear map of the set's mean and sd to the embedding"


class Mean(Section):
    kind: Literal["mean"] = Field(description="set mean and a linear map: the baseline")


class Mlp(Section):
    kind: Literal["mlp"] = Field(description="MLP on samples, set mean, MLP")
    hidden: Count = Field(128, description="width")
    layers: Count = Field(2, description="hidden layers before and after the mean")
    moments: bool = Field(True, description=MOMENTS)
    skip: bool = Field(True, description=SKIP)


class Gnn(Section):
    kind: Literal["gnn"] = Field(description="MLP on samples, then layers that also see the set mean")
    hidden: Count = Field(128, description="width")
    layers: Count = Field(2, description="layers that see the set mean")
    moments: bool = Field(True, description=MOMENTS)
    skip: bool = Field(True, description=SKIP)


class ResNet(Section):
    kind: Literal["resnet"] = Field(description="residual layers that also see the set mean: the paper's encoder")
    hidden: Count = Field(128, description="width")
    layers: Count = Field(2, description="residual layers; raise for distributions with several modes")
    depth: Count = Field(2, description="linear maps inside a layer")
    moments: bool = Field(True, description=MOMENTS)
    skip: bool = Field(True, description=SKIP)


Encoder = Annotated[Mean | Mlp | Gnn | ResNet, Field(discriminator="kind")]
