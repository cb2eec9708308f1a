"""Optical pooled screens: pictures of cells, each of which has one gene perturbed."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from gde.config.base import Count, NonNegative, Positive, refuse
from gde.config.datasets.base import Pictures


class ImageScreen(Pictures):
    """A simulated screen."""

    prepare: ClassVar = "gde.prepare.image_screen:prepare"
    evaluation: ClassVar = "screen"
    kind: Literal["image_screen"] = Field(
        description="simulated optical pooled screen: pictures of cells whose genes belong to complexes; a group is a "
        "guide in a well"
    )
    complexes: Annotated[int, Field(ge=3)] = Field(20, description="complexes of genes with one phenotype")
    members: Annotated[int, Field(ge=2, le=10)] = Field(3, description="genes of a complex")
    null_genes: Annotated[int, Field(ge=3)] = Field(12, description="genes without an effect")
    guides: Annotated[int, Field(ge=2)] = Field(2, description="guides of a gene")
    plates: Annotated[int, Field(ge=3)] = Field(4, description="plates; the last ones are held out")
    validation_plates: Count = Field(1, description="plates that validate")
    test_plates: Count = Field(1, description="plates that test")
    wells: Count = Field(4, description="wells of a plate")
    wells_random: bool = Field(
        True,
        description="every well holds all genes; false: a complex has one well of each plate, which confounds them",
    )
    cells: Annotated[int, Field(ge=2)] = Field(12, description="cells of a guide in a well")
    size: Annotated[int, Field(ge=16, le=128)] = Field(32, description="pixels on a side")
    effect: Positive = Field(
        0.5, description="standard deviation of the effects of complexes, in those of cells without any"
    )
    spread: NonNegative = Field(0.5, description="a gene's own effect beside its complex', relative to it")
    efficacy: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.5, description="share of the effect that the weakest guides have; uniform up to 1"
    )
    batch: NonNegative = Field(
        1.0, description="standard deviation of what plate and well do to brightness, in that of cells"
    )

    @model_validator(mode="after")
    def possible(self):
        if self.plates - self.validation_plates - self.test_plates < 1:
            expected = f"more than the {self.validation_plates + self.test_plates} that are held out"
            refuse("plates", self.plates, expected, "raise it, or hold out fewer")
        return self

    @classmethod
    def picture(cls, dataset: Mapping[str, Any]) -> tuple[int, int, int]:
        return 2, dataset["size"], dataset["size"]

    @classmethod
    def shape(cls, dataset: Mapping[str, Any]) -> tuple[int, int]:
        own = dataset["complexes"] * dataset["members"]
        if not dataset["wells_random"]:
            own = own / dataset["wells"]
        wells = dataset["plates"] * dataset["wells"]
        cells = round((own + dataset["null_genes"]) * wells) * dataset["guides"] * dataset["cells"]
        return cells, 2 * dataset["size"] ** 2
