"""Options of the generators of sets of sequences."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from gde.config.base import Count, Digest, NonNegative, Positive, Whole, check_idle, check_kernel, refuse
from gde.config.generators.base import GeneratorKind

CONDITIONING = "how the embedding enters: vectors before the sequence, one added to every token, or the norms' scales"
PREFIX = "vectors before the sequence; more than 1 with conditioning: prefix"
TEMPERATURE = "of drawing tokens; below 1 the likely ones more often than the model's distribution has it"
TOP_P = "tokens are drawn from the likeliest that together have this probability; 1 = all"
SUBSAMPLE = "sequences of each set that the loss of a training step is computed on; null = all. Lower it for speed"
CONTEXT = "tokens at the beginning that count with context_weight in the loss, the others with 1; 0 = none"
CONTEXT_WEIGHT = "their weight; low where what comes behind them is in question, as in reads behind genomic context"
SITES = (
    "rank of a distribution of each position, linear in the embedding and in the tokens before, that the network "
    "starts from; for sequences that lie side by side, such as versions of one protein. The token that stands for any "
    "(X, N) is then missing, neither learned nor drawn; 0 = none"
)
TOKENS = ("dna", "protein", "text")
TopP = Annotated[float, Field(gt=0, le=1)]


class HyenaDna(GeneratorKind):
    sample_types: ClassVar = TOKENS
    published: ClassVar = "dna"
    kind: Literal["hyenadna"] = Field(description="token by token with long convolutions; of sequences")
    hidden: Count = Field(128, description="width")
    layers: Count = Field(6, description="blocks of a Hyena operator and an MLP")
    conditioning: Literal["prefix", "additive", "adaln"] = Field("adaln", description=CONDITIONING)
    prefix: Count = Field(1, description=PREFIX)
    filter_hidden: Count = Field(64, description="width of the MLPs that give the filters")
    filter_features: Annotated[int, Field(ge=3)] = Field(5, description="inputs of these MLPs; odd")
    frequency: Positive = Field(10.0, description="first frequency of their sines; lower for smoother filters")
    filter_length: Count | None = Field(None, description="positions the filters are defined on; null = the sequences'")
    weights: str | None = Field(None, description="safetensors of a published model to start from; null = from scratch")
    weights_sha256: Digest | None = Field(None, description="SHA-256 of that file, so that the run is of these weights")
    temperature: Positive = Field(1.0, description=TEMPERATURE)
    top_p: TopP = Field(1.0, description=TOP_P)
    subsample: Count | None = Field(None, description=SUBSAMPLE)
    context: Whole = Field(0, description=CONTEXT)
    context_weight: NonNegative = Field(1.0, description=CONTEXT_WEIGHT)

    @model_validator(mode="after")
    def possible(self):
        check_prefix(self)
        check_context(self)
        if self.filter_features % 2 == 0:
            refuse("filter_features", self.filter_features, "an odd number", "add 1")
        if (self.weights is None) != (self.weights_sha256 is None):
            remedy = "give both, or none; `sha256sum FILE` prints the digest"
            refuse("weights_sha256", self.weights_sha256, "a digest exactly where there are weights", remedy)
        return self


class DnaVae(GeneratorKind):
    sample_types: ClassVar = TOKENS
    kind: Literal["dna_vae"] = Field(description="convolutional variational autoencoder; of sequences")
    hidden: Count = Field(64, description="channels")
    layers: Annotated[int, Field(ge=1, le=10)] = Field(2, description="times that encoder and decoder halve positions")
    kernel: Count = Field(7, description="width of the convolutions; odd")
    code_dim: Count = Field(32, description="dimensions of a sequence's code")
    beta: NonNegative = Field(1.0, description="weight of the KL divergence (nats); 1 = evidence lower bound")
    warmup: Whole = Field(0, description="steps over which beta rises from 0")
    temperature: Positive = Field(1.0, description=TEMPERATURE)
    top_p: TopP = Field(1.0, description=TOP_P)
    subsample: Count | None = Field(None, description=SUBSAMPLE)

    @model_validator(mode="after")
    def possible(self):
        check_kernel(self)
        return self


class Gpt(GeneratorKind):
    sample_types: ClassVar = TOKENS
    kind: Literal["gpt"] = Field(description="token by token with attention: GPT-2 from scratch; of sequences")
    hidden: Count = Field(128, description="width")
    layers: Count = Field(6, description="attention blocks")
    heads: Count = Field(4, description="attention heads; a divisor of hidden")
    conditioning: Literal["prefix", "additive", "adaln"] = Field("adaln", description=CONDITIONING)
    prefix: Count = Field(1, description=PREFIX)
    temperature: Positive = Field(1.0, description=TEMPERATURE)
    top_p: TopP = Field(1.0, description=TOP_P)
    subsample: Count | None = Field(None, description=SUBSAMPLE)
    context: Whole = Field(0, description=CONTEXT)
    context_weight: NonNegative = Field(1.0, description=CONTEXT_WEIGHT)
    sites: Whole = Field(0, description=SITES)

    @model_validator(mode="after")
    def possible(self):
        check_prefix(self)
        check_context(self)
        if self.hidden % self.heads:
            remedy = "change one, or presets.smoke.generator"
            refuse("heads", self.heads, f"a divisor of hidden = {self.hidden}", remedy)
        return self


def check_prefix(section: HyenaDna | Gpt) -> None:
    if section.prefix > 1 and section.conditioning != "prefix":
        refuse("prefix", section.prefix, f"1 with conditioning: {section.conditioning}", "set conditioning: prefix")


def check_context(section: HyenaDna | Gpt) -> None:
    if section.context_weight == 1:
        check_idle(section, "context", "with context_weight: 1", "give another context_weight, or remove the key")
    if section.context == 0:
        check_idle(section, "context_weight", "with context: 0", "give context, or set context_weight: 1")
