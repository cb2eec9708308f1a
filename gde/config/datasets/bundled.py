"""Data sets that come with libraries."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from gde.config.base import Count, refuse
from gde.config.datasets.base import COMPONENTS, Components, Vectors, least
from gde.config.split import Split


class Digits(Vectors):
    """Handwritten digits of scikit-learn."""

    sources: ClassVar[tuple[str, ...]] = ("digits",)
    prepare: ClassVar = "gde.prepare.digits:prepare"
    kind: Literal["digits"] = Field(description="the 8 x 8 handwritten digits of scikit-learn; a group is a digit")
    split: Split = Field(Split(by="sample"), description="what is held out; by sample, since the groups are few")

    @model_validator(mode="after")
    def possible(self):
        if self.split.by not in ("group", "sample"):
            refuse("split.by", self.split.by, "'group' or 'sample' for digits", "choose one of them")
        return self

    @classmethod
    def shape(cls, dataset: Mapping[str, Any]) -> tuple[int | None, int | None]:
        return 1797, 64


class Pbmc68k(Vectors):
    """The 700 blood cells that come with scanpy."""

    sources: ClassVar[tuple[str, ...]] = ("pbmc68k",)  # data sets of resources/sources.yaml that this kind reads
    prepare: ClassVar = "gde.prepare.pbmc68k:prepare"
    kind: Literal["pbmc68k"] = Field(description="the 700 blood cells that come with scanpy; a group is a cell type")
    n_pcs: Components = Field(20, description=COMPONENTS)
    scale: bool = Field(True, description="centre and scale genes (clipped at 10), fitted on training samples")
    min_size: Count = Field(3, description="groups with fewer samples are left out, and named")
    split: Split = Field(Split(by="sample"), description="what is held out; by sample, since the groups are few")

    @classmethod
    def shape(cls, dataset: Mapping[str, Any]) -> tuple[int | None, int | None]:
        return 700, least(765, dataset["n_pcs"])
