"""Options of the encoders behind a language model."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from gde.config.base import Count, Digest, check_idle, refuse
from gde.config.encoders import vectors
from gde.config.encoders.base import EncoderKind
from gde.config.encoders.vectors import ResNet
from gde.config.kinds import kinds_in, one_of

SetEncoder = one_of(kinds_in(EncoderKind, vectors))
THEN = (
    "set encoder of the vectors, one per sequence, that the language model gives: any kind for vectors, with its keys"
)
MODE = "frozen: vectors are computed once and kept; full: the language model is trained, too; lora: adapters of it are"
WEIGHTS = "directory of a published model, such as resources/weights/{}; null = from scratch, with the sizes below"
DIGEST = "SHA-256 its model.safetensors must have, so that the run is of these weights; null = whatever is there"
RANK = "rank of the adapters of mode lora"


class ProteinLm(EncoderKind):
    sample_types: ClassVar = ("protein",)
    kind: Literal["protein_lm"] = Field(description="a set encoder behind ESM-2; of proteins")
    then: SetEncoder = Field(ResNet(kind="resnet"), description=THEN)
    mode: Literal["frozen", "full", "lora"] = Field("full", description=MODE)
    weights: str | None = Field(None, description=WEIGHTS.format("esm2_8m"))
    weights_sha256: Digest | None = Field(None, description=DIGEST)
    rank: Count = Field(8, description=RANK)
    hidden: Count = Field(64, description="width of a language model from scratch")
    layers: Count = Field(2, description="its attention blocks")
    heads: Count = Field(4, description="its attention heads; a divisor of hidden")

    @model_validator(mode="after")
    def possible(self):
        check_language_model(self)
        return self


class TextLm(EncoderKind):
    sample_types: ClassVar = ("text",)
    kind: Literal["text_lm"] = Field(description="a set encoder behind BERT; of texts")
    then: SetEncoder = Field(ResNet(kind="resnet"), description=THEN)
    mode: Literal["frozen", "full", "lora"] = Field("full", description=MODE)
    weights: str | None = Field(None, description=WEIGHTS.format("bert_base_uncased"))
    weights_sha256: Digest | None = Field(None, description=DIGEST)
    rank: Count = Field(8, description=RANK)
    hidden: Count = Field(64, description="width of a language model from scratch, which reads bytes")
    layers: Count = Field(2, description="its attention blocks")
    heads: Count = Field(4, description="its attention heads; a divisor of hidden")
    positions: Annotated[int, Field(ge=3)] = Field(
        512, description="tokens of a text that are read, two marks included; at most those of the published model"
    )
    pooling: Literal["cls", "mean"] = Field(
        "cls", description="a text's vector: that of the mark before it, or the mean"
    )

    @model_validator(mode="after")
    def possible(self):
        check_language_model(self)
        return self


def check_language_model(section: ProteinLm | TextLm) -> None:
    if section.mode != "lora":
        check_idle(section, "rank", f"with mode: {section.mode}", "remove the key, or set mode: lora")
    if section.weights is None and section.mode != "full":
        remedy = "give weights, a directory such as resources/weights/..."
        refuse("mode", section.mode, "'full' without weights", remedy)
    if section.weights is None and section.weights_sha256 is not None:
        refuse("weights_sha256", section.weights_sha256, "null without weights", "remove the key, or give weights")
    if section.hidden % section.heads:
        remedy = "change one, or presets.smoke.encoder"
        refuse("heads", section.heads, f"a divisor of hidden = {section.hidden}", remedy)
    if section.kind == "protein_lm" and section.hidden // section.heads % 2:
        expected = f"a number that leaves an even part of hidden = {section.hidden} to each, since pairs turn"
        refuse("heads", section.heads, expected, "change one, or presets.smoke.encoder")
