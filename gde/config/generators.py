"""Options of the conditional generators: the keyword arguments of the classes in `gde.generators`."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from gde.config.base import Count, NonNegative, Section, Share, refuse

DROP = "share of training sets whose embedding is hidden (classifier-free guidance); 0 = none"
GUIDANCE = "strength of classifier-free guidance when sampling; 1 = none, anything else needs drop > 0"
AFFINE = "generate around the mean and covariance that a head predicts from the embedding; for many and smooth sets"
MOMENT_WEIGHT = "weight of that head's loss"
Fraction = Annotated[float, Field(gt=0, lt=1)]


class Flow(Section):
    kind: Literal["flow"] = Field(description="flow matching")
    hidden: Count = Field(128, description="width")
    layers: Count = Field(4, description="residual layers")
    time_features: Count = Field(16, description="Fourier features of the time")
    drop: Share = Field(0.0, description=DROP)
    guidance: NonNegative = Field(1.0, description=GUIDANCE)
    affine: bool = Field(False, description=AFFINE)
    moment_weight: NonNegative = Field(1.0, description=MOMENT_WEIGHT)
    solver: Literal["euler", "midpoint", "heun"] = Field("midpoint", description="solver of the differential equation")
    evaluations: Count = Field(16, description="network evaluations per sample drawn; even for midpoint and heun")

    @model_validator(mode="after")
    def possible(self):
        check_guidance(self)
        if self.solver != "euler" and self.evaluations % 2:
            refuse("evaluations", self.evaluations, f"an even number for solver {self.solver}", "add 1")
        return self


class Ddpm(Section):
    kind: Literal["ddpm"] = Field(description="denoising diffusion: the paper's generator")
    hidden: Count = Field(128, description="width")
    layers: Count = Field(4, description="residual layers")
    time_features: Count = Field(16, description="Fourier features of the time")
    drop: Share = Field(0.0, description=DROP)
    guidance: NonNegative = Field(1.0, description=GUIDANCE)
    affine: bool = Field(False, description=AFFINE)
    moment_weight: NonNegative = Field(1.0, description=MOMENT_WEIGHT)
    steps: Annotated[int, Field(ge=2)] = Field(400, description="diffusion steps T")
    beta_start: Fraction = Field(1e-4, description="noise variance of the first step; linear up to ...")
    beta_end: Fraction = Field(0.02, description="... the last step")
    zero_terminal_snr: bool = Field(False, description="rescale the schedule so that step T is pure noise")
    sampler: Literal["ancestral", "ddim"] = Field("ancestral", description="all T steps, or `evaluations` of them")
    evaluations: Count | None = Field(None, description="DDIM steps; null = T. Only with sampler: ddim")

    @model_validator(mode="after")
    def possible(self):
        check_guidance(self)
        if self.beta_start > self.beta_end:
            refuse("beta_start", self.beta_start, f"at most beta_end = {self.beta_end}", "swap or set them")
        if self.evaluations is not None and self.sampler == "ancestral":
            refuse("evaluations", self.evaluations, "null with sampler: ancestral", "set sampler: ddim")
        if self.evaluations is not None and self.evaluations > self.steps:
            refuse("evaluations", self.evaluations, f"at most steps = {self.steps}", "lower it")
        return self


Generator = Annotated[Flow | Ddpm, Field(discriminator="kind")]


def check_guidance(section: Flow | Ddpm) -> None:
    if section.guidance != 1 and section.drop == 0:
        refuse("guidance", section.guidance, "1 when drop is 0", "train with drop: 0.1")
