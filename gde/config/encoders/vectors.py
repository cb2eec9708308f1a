"""Options of the encoders of sets of vectors."""

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from gde.config.base import Count, Size, Whole, refuse
from gde.config.encoders.base import EncoderKind

WIDTH = "width; auto = as the data suggest"
MOMENTS = "also give each sample in within-set standardised form, (x - mean) / sd"
SKIP = "add a map of the set's mean, log sd and (up to 16 features) correlations to the embedding"
HEADS = "attention heads; a divisor of hidden"
INDUCED = "learned points that samples attend through; 0 = to each other. Take 32 for sets of more than 1024 samples"
POOL_PARAMETER = "trim (0.1), delta (1.345), temperature (1) or sharpness (1) of the pool; null = the value in brackets"


class Mean(EncoderKind):
    sample_types: ClassVar = ("vectors", "images")
    kind: Literal["mean"] = Field(description="set mean and a linear map: the baseline")


class Mlp(EncoderKind):
    kind: Literal["mlp"] = Field(description="MLP on samples, set mean, MLP")
    hidden: Size = Field(128, description=WIDTH)
    layers: Count = Field(2, description="hidden layers before and after the mean")
    moments: bool = Field(True, description=MOMENTS)
    skip: bool = Field(True, description=SKIP)


class Gnn(EncoderKind):
    kind: Literal["gnn"] = Field(description="MLP on samples, then layers that also see the set mean")
    hidden: Size = Field(128, description=WIDTH)
    layers: Count = Field(2, description="layers that see the set mean")
    pool: Literal["mean", "median", "trimmed_mean", "huber", "softmax", "logsumexp"] = Field(
        "mean", description="what the layers see of the set instead of its mean, and the read-out"
    )
    pool_parameter: float | None = Field(None, description=POOL_PARAMETER)
    moments: bool = Field(True, description=MOMENTS)
    skip: bool = Field(True, description=SKIP)

    @model_validator(mode="after")
    def possible(self):
        value = self.pool_parameter
        if value is not None and self.pool in ("mean", "median"):
            refuse("pool_parameter", value, f"null with pool: {self.pool}", "remove the key")
        if value is not None and self.pool == "trimmed_mean" and not 0 <= value < 0.5:
            refuse("pool_parameter", value, "the share to trim at each end, in [0, 0.5)", "use pool: median for 0.5")
        if value is not None and self.pool == "huber" and value < 0.7:
            refuse("pool_parameter", value, "a delta of 0.7 or more", "use pool: median")
        if value is not None and self.pool in ("softmax", "logsumexp") and value <= 0:
            refuse("pool_parameter", value, "a positive number", "raise it")
        return self


class MedianGnn(EncoderKind):
    kind: Literal["median_gnn"] = Field(description="gnn with medians")
    hidden: Size = Field(128, description=WIDTH)
    layers: Count = Field(2, description="layers that see the set median")
    moments: bool = Field(True, description=MOMENTS)
    skip: bool = Field(True, description=SKIP)


class ResNet(EncoderKind):
    kind: Literal["resnet"] = Field(description="residual layers that also see the set mean: the paper's encoder")
    hidden: Size = Field(128, description=WIDTH)
    layers: Count = Field(2, description="residual layers; raise for distributions with several modes")
    depth: Count = Field(2, description="linear maps inside a layer")
    moments: bool = Field(True, description=MOMENTS)
    skip: bool = Field(True, description=SKIP)


class KernelMean(EncoderKind):
    sample_types: ClassVar = ("vectors", "images")
    kind: Literal["kernel_mean"] = Field(description="set mean of random Fourier features: the kernel mean embedding")
    hidden: Size = Field(128, description="frequencies; each gives a cosine and a sine")


class PcaMean(EncoderKind):
    sample_types: ClassVar = ("vectors", "images")
    kind: Literal["pca_mean"] = Field(description="set mean of principal components")
    components: Count | None = Field(None, description="their number; null = latent_dim, or all where there are fewer")


class Attention(EncoderKind):
    kind: Literal["attention"] = Field(description="self-attention without positions: the set transformer with a mean")
    hidden: Size = Field(128, description=WIDTH)
    layers: Count = Field(2, description="attention layers")
    heads: Count = Field(4, description=HEADS)
    induced: Whole = Field(0, description=INDUCED)
    moments: bool = Field(True, description=MOMENTS)
    skip: bool = Field(True, description=SKIP)

    @model_validator(mode="after")
    def possible(self):
        check_heads(self)
        return self


class ResNetAttention(EncoderKind):
    kind: Literal["resnet_attention"] = Field(description="resnet that attends to the set instead of seeing its mean")
    hidden: Size = Field(128, description=WIDTH)
    layers: Count = Field(2, description="residual layers")
    depth: Count = Field(2, description="linear maps inside a layer")
    heads: Count = Field(4, description=HEADS)
    induced: Whole = Field(0, description=INDUCED)
    moments: bool = Field(True, description=MOMENTS)
    skip: bool = Field(True, description=SKIP)

    @model_validator(mode="after")
    def possible(self):
        check_heads(self)
        return self


def check_heads(section: Attention | ResNetAttention) -> None:
    if section.hidden != "auto" and section.hidden % section.heads:
        refuse(
            "heads", section.heads, f"a divisor of hidden = {section.hidden}", "change one, or presets.smoke.encoder"
        )
