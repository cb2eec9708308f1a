"""Options of the generators of vectors."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from gde.config.base import Count, NonNegative, Positive, Share, Size, Whole, check_idle, refuse
from gde.config.generators.base import GeneratorKind

WIDTH = "width; of images, channels of the finest maps; auto = as the data suggest"
LAYERS = "residual layers; of images, blocks at each size of the maps"
SUBSAMPLE = "samples of each set that a step's loss is computed on; null = all. The encoder sees all"
DROP = "share of training sets whose embedding is hidden (classifier-free guidance); 0 = none"
GUIDANCE = "strength of classifier-free guidance when sampling; 1 = none, anything else needs drop > 0"
AFFINE = "generate around the mean and covariance that a head predicts from the embedding; for many and smooth sets"
MOMENT_WEIGHT = "weight of that head's loss"
MOMENTS = "weight of a Gaussian likelihood that asks the embedding for means and covariances; 0 = none"
BLUR = "length, in standardised units, below which the loss does not tell points apart"
Fraction = Annotated[float, Field(gt=0, lt=1)]


class Flow(GeneratorKind):
    sample_types: ClassVar = ("vectors", "images")
    by_type: ClassVar = True
    kind: Literal["flow"] = Field(description="flow matching")
    hidden: Size = Field(128, description=WIDTH)
    layers: Count = Field(4, description=LAYERS)
    time_features: Count = Field(16, description="Fourier features of the time")
    subsample: Count | None = Field(None, description=SUBSAMPLE)
    drop: Share = Field(0.0, description=DROP)
    guidance: NonNegative = Field(1.0, description=GUIDANCE)
    affine: bool = Field(False, description=AFFINE)
    moment_weight: NonNegative = Field(1.0, description=MOMENT_WEIGHT)
    solver: Literal["euler", "midpoint", "heun"] = Field("midpoint", description="solver of the differential equation")
    evaluations: Count = Field(16, description="network evaluations per sample drawn; even for midpoint and heun")

    @model_validator(mode="after")
    def possible(self):
        check_guidance(self)
        check_moments(self)
        if self.solver != "euler" and self.evaluations % 2:
            refuse("evaluations", self.evaluations, f"an even number for solver {self.solver}", "add 1")
        return self


class Ddpm(GeneratorKind):
    sample_types: ClassVar = ("vectors", "images")
    by_type: ClassVar = True
    kind: Literal["ddpm"] = Field(description="denoising diffusion: the paper's generator")
    hidden: Size = Field(128, description=WIDTH)
    layers: Count = Field(4, description=LAYERS)
    time_features: Count = Field(16, description="Fourier features of the time")
    subsample: Count | None = Field(None, description=SUBSAMPLE)
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
        check_moments(self)
        if self.beta_start > self.beta_end:
            refuse("beta_start", self.beta_start, f"at most beta_end = {self.beta_end}", "swap or set them")
        if self.evaluations is not None and self.sampler == "ancestral":
            refuse("evaluations", self.evaluations, "null with sampler: ancestral", "set sampler: ddim")
        if self.evaluations is not None and self.evaluations > self.steps:
            refuse("evaluations", self.evaluations, f"at most steps = {self.steps}", "lower it")
        return self


class DdpmSubset(Ddpm):
    sample_types: ClassVar = ("vectors",)
    kind: Literal["ddpm_subset"] = Field(description="diffusion that looks at some features per step; for thousands")
    features: Count = Field(64, description="features whose noise is predicted in a training step")


class Cvae(GeneratorKind):
    kind: Literal["cvae"] = Field(description="conditional variational autoencoder")
    hidden: Size = Field(128, description="width of encoder and decoder")
    layers: Count = Field(4, description="residual layers of each")
    code_dim: Count = Field(8, description="dimensions of a sample's code")
    beta: NonNegative = Field(1.0, description="weight of the KL divergence (nats); 1 = evidence lower bound")
    warmup: Whole = Field(0, description="steps over which beta rises from 0")
    observation_noise: bool = Field(True, description="samples include the learned observation noise")
    affine: bool = Field(False, description=AFFINE)
    moment_weight: NonNegative = Field(1.0, description=MOMENT_WEIGHT)

    @model_validator(mode="after")
    def possible(self):
        check_moments(self)
        return self


class Direct(GeneratorKind):
    """What the direct generators share: a network from noise to samples, trained by a distance between sets."""

    hidden: Size = Field(128, description=WIDTH)
    layers: Count = Field(4, description=LAYERS)
    noise_dim: Count = Field(16, description="dimensions of the noise; with affine at least those of a sample")
    affine: bool = Field(False, description=AFFINE)
    moment_weight: NonNegative = Field(1.0, description=MOMENTS)
    balanced: bool = Field(True, description="antithetic noise with covariance I in each training set; false = plain")


class SlicedW2(Direct):
    kind: Literal["sliced_w2"] = Field(description="network from noise to samples, trained by sliced W2")
    projections: Count = Field(100, description="random directions per set and step")


class ExactOt(Direct):
    kind: Literal["exact_ot"] = Field(description="network from noise to samples, trained by exact transport (on CPU)")


class Sinkhorn(Direct):
    kind: Literal["sinkhorn"] = Field(
        description="network from noise to samples, trained by Sinkhorn divergence, which is within 2 % of convergence"
    )
    blur: Positive = Field(0.05, description=BLUR)


class Mmd(Direct):
    kind: Literal["mmd"] = Field(description="network from noise to samples, trained by maximum mean discrepancy")


class Wormhole(GeneratorKind):
    kind: Literal["wormhole"] = Field(description="attention decoder of a fixed number of points; samples repeat them")
    hidden: Size = Field(128, description=WIDTH)
    layers: Count = Field(2, description="attention layers")
    heads: Count = Field(4, description="attention heads; a divisor of hidden")
    points: Count = Field(64, description="points that stand for a distribution; take the set size")
    pair_weight: NonNegative = Field(0.5, description="weight of (latent distance - W2)² over pairs of sets; 0 = none")
    pair_samples: Count = Field(64, description="samples of each set behind a W2 of that term")
    blur: Positive = Field(0.05, description=BLUR)

    @model_validator(mode="after")
    def possible(self):
        if self.hidden != "auto" and self.hidden % self.heads:
            remedy = "change one, or presets.smoke.generator"
            refuse("heads", self.heads, f"a divisor of hidden = {self.hidden}", remedy)
        return self


def check_moments(section: Flow | Ddpm | Cvae) -> None:
    if not section.affine:
        check_idle(section, "moment_weight", "with affine: false", "remove the key, or set affine: true")


def check_guidance(section: Flow | Ddpm) -> None:
    if section.guidance != 1 and section.drop == 0:
        refuse("guidance", section.guidance, "1 when drop is 0", "train with drop: 0.1")
