"""Options of the generators that may start from published language models."""

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from gde.config.base import Count, Digest, NonNegative, Positive, Whole, check_idle, refuse
from gde.config.generators.base import GeneratorKind
from gde.config.generators.sequences import (
    CONDITIONING,
    CONTEXT,
    CONTEXT_WEIGHT,
    PREFIX,
    SUBSAMPLE,
    TEMPERATURE,
    TOKENS,
    TOP_P,
    TopP,
    check_context,
    check_prefix,
)

SCRATCH = "; from scratch, published weights have their own"
WEIGHTS = "directory of a published model to start from, e.g. resources/weights/{}; null = from scratch"
WEIGHTS_SHA256 = "SHA-256 that its model.safetensors must have; null = the one recorded when it was fetched"


class Gpt2(GeneratorKind):
    sample_types: ClassVar = TOKENS
    published: ClassVar = "text"
    kind: Literal["gpt2"] = Field(
        description="GPT-2, of published subwords or, from scratch, token by token; of sequences"
    )
    hidden: Count = Field(128, description=f"width{SCRATCH}")
    layers: Count = Field(6, description=f"attention blocks{SCRATCH}")
    heads: Count = Field(4, description=f"attention heads, a divisor of hidden{SCRATCH}")
    max_subwords: Count = Field(
        256, description="subwords of a text with published weights, the rest is cut; with prefix at most 1024"
    )
    conditioning: Literal["prefix", "additive", "adaln"] = Field("adaln", description=CONDITIONING)
    prefix: Count = Field(1, description=PREFIX)
    weights: str | None = Field(None, description=WEIGHTS.format("gpt2"))
    weights_sha256: Digest | None = Field(None, description=WEIGHTS_SHA256)
    temperature: Positive = Field(1.0, description=TEMPERATURE)
    top_p: TopP = Field(1.0, description=TOP_P)
    subsample: Count | None = Field(None, description=SUBSAMPLE)

    @model_validator(mode="after")
    def possible(self):
        check_prefix(self)
        check_heads(self)
        check_weights(self)
        if self.weights is None:
            check_idle(self, "max_subwords", "without weights", "remove the key, or give weights")
        return self


class ProGen2(GeneratorKind):
    sample_types: ClassVar = TOKENS
    published: ClassVar = "protein"
    kind: Literal["progen2"] = Field(description="token by token with attention: ProGen2; of sequences")
    hidden: Count = Field(128, description=f"width{SCRATCH}")
    layers: Count = Field(6, description=f"blocks{SCRATCH}")
    heads: Count = Field(4, description=f"attention heads, a divisor of hidden{SCRATCH}")
    rotary: Count | None = Field(
        None,
        description=f"numbers of a head that turn with the place, even; null = half{SCRATCH}",
    )
    conditioning: Literal["prefix", "additive", "adaln"] = Field("adaln", description=CONDITIONING)
    prefix: Count = Field(1, description=PREFIX)
    weights: str | None = Field(None, description=WEIGHTS.format("progen2_small"))
    weights_sha256: Digest | None = Field(None, description=WEIGHTS_SHA256)
    temperature: Positive = Field(1.0, description=TEMPERATURE)
    top_p: TopP = Field(1.0, description=TOP_P)
    subsample: Count | None = Field(None, description=SUBSAMPLE)
    context: Whole = Field(0, description=CONTEXT)
    context_weight: NonNegative = Field(1.0, description=CONTEXT_WEIGHT)

    @model_validator(mode="after")
    def possible(self):
        check_prefix(self)
        check_context(self)
        check_heads(self)
        check_weights(self)
        width = self.hidden // self.heads
        if self.rotary is None and width < 4:
            refuse("heads", self.heads, f"at most hidden / 4 = {self.hidden // 4}", "lower it, or give rotary: 2")
        if self.rotary is not None and (self.rotary % 2 or self.rotary > width):
            refuse("rotary", self.rotary, f"an even number up to hidden / heads = {width}", "change one")
        return self


def check_heads(section: ProGen2 | Gpt2) -> None:
    if section.hidden % section.heads:
        remedy = "change one, or presets.smoke.generator"
        refuse("heads", section.heads, f"a divisor of hidden = {section.hidden}", remedy)


def check_weights(section: ProGen2 | Gpt2) -> None:
    if section.weights is None and section.weights_sha256 is not None:
        refuse("weights_sha256", section.weights_sha256, "null where there are no weights", "give weights, or neither")
