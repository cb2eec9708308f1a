"""Data sets whose samples are pictures."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from gde.config.base import Count, Names, Section, Share, Whole, refuse
from gde.config.datasets.base import Pictures
from gde.config.split import OwnSplit
from gde.errors import GdeError
from gde.files.input_files import cifar_files, expand


class ClassSplit(Section):
    """What is held out of pictures that come in two parts: the second one tests."""

    validation: Share = Field(0.1, description="share of the training pictures that validate, of every class")
    seed: Whole = Field(0, description="seed of the split, apart from the training seed")


class Idx(Pictures):
    """Pictures and their labels in the files of MNIST."""

    prepare: ClassVar = "gde.prepare.class_images:prepare_idx"
    kind: Literal["idx"] = Field(
        description="grey pictures with labels in IDX files, plain or gzip, as MNIST's; a group is a class"
    )
    train_images: str = Field(min_length=1, description="pictures that train, (n, h, w) of 8 bits")
    train_labels: str = Field(min_length=1, description="their classes, whole numbers from 0")
    test_images: str = Field(min_length=1, description="pictures that test")
    test_labels: str = Field(min_length=1, description="their classes")
    classes: Names | None = Field(None, description="names of the classes 0, 1, ...; null = their numbers")
    split: ClassSplit = Field(ClassSplit(), description="what is held out")

    @classmethod
    def input_files(cls, dataset: Mapping[str, Any]) -> dict[str, str]:
        return {key: expand(dataset[key]) for key in ("train_images", "train_labels", "test_images", "test_labels")}

    @classmethod
    def picture(cls, dataset: Mapping[str, Any]) -> tuple[int, int, int]:
        """As the file's head says, else as MNIST's."""
        from gde.readers.idx import IdxImages

        try:
            return IdxImages(Path(expand(dataset["train_images"]))).shape
        except GdeError:  # which `prepare` will raise
            return 1, 28, 28


class Cifar10(Pictures):
    """CIFAR-10."""

    prepare: ClassVar = "gde.prepare.class_images:prepare_cifar10"
    kind: Literal["cifar10"] = Field(
        description="CIFAR-10, the binary version: 32 x 32 colour pictures; a group is a class"
    )
    path: str = Field(
        min_length=1, description="cifar-10-binary.tar.gz, or the folder cifar-10-batches-bin that comes out of it"
    )
    split: ClassSplit = Field(ClassSplit(), description="what is held out")

    @classmethod
    def input_files(cls, dataset: Mapping[str, Any]) -> dict[str, str]:
        return cifar_files(dataset)

    @classmethod
    def picture(cls, dataset: Mapping[str, Any]) -> tuple[int, int, int]:
        return 3, 32, 32


class OwnPictures(Pictures):
    """A user's pictures."""

    prepare: ClassVar = "gde.prepare.images:prepare"
    examine: ClassVar = "gde.prepare.images:examine"
    kind: Literal["images"] = Field(
        description="pictures, or objects in larger pictures, that a table lists; TIFF, OME-TIFF or PNG"
    )
    table: str = Field(min_length=1, description="CSV, TSV or Parquet file with a row for each sample")
    image: str = Field("image", min_length=1, description="column of the picture's file, relative to the table's")
    groupby: Names = Field(description="columns that together name a group: one embedding each")
    labels: list[str] = Field([], description="further columns to keep; the first one is scored and coloured by")
    size: Annotated[int, Field(ge=8, le=512)] | None = Field(
        None, description="pixels on a side of a crop around an object; null = a sample is a whole picture"
    )
    boxes: Annotated[list[str], Field(min_length=4, max_length=4)] | None = Field(
        None, description="columns of an object's box: top, left, bottom, right; pixels, ends excluded"
    )
    centres: Annotated[list[str], Field(min_length=2, max_length=2)] | None = Field(
        None, description="columns of an object's centre: row and column, in pixels"
    )
    channels: list[str | int] | None = Field(
        None, min_length=1, description="channels by name, or by number from 0; null = all"
    )
    z: Whole | Literal["max"] | None = Field(
        None, description="of stacks: the plane, from 0, or max = brightest of all; null = there is one"
    )
    quantiles: Annotated[list[Annotated[float, Field(ge=0, le=1)]], Field(min_length=2, max_length=2)] = Field(
        [0.01, 0.999], description="of each channel's training pixels: what the networks are given as -1 and as 1"
    )
    max_missing: Share = Field(0.0, description="share of the pictures that may be missing or cut; they are named")
    min_size: Count = Field(3, description="groups with fewer samples are left out, and named")
    split: OwnSplit = Field(
        OwnSplit(), description="what is held out; a column keeps its values together (well, field)"
    )

    @model_validator(mode="after")
    def possible(self):
        for key in ("groupby", "labels"):
            names = getattr(self, key)
            if twice := [name for name in names if names.count(name) > 1 or not name]:
                refuse(key, twice[0], "each column once, by its name", "take it out")
        places = [key for key in ("boxes", "centres") if getattr(self, key) is not None]
        if len(places) > 1:
            refuse(places[1], getattr(self, places[1]), f"null beside {places[0]}", "say in one way where objects are")
        if bool(places) != (self.size is not None):
            expected = "pixels on a side with boxes or centres" if places else "null without them"
            refuse("size", self.size, expected, "set both, or neither")
        if self.quantiles[0] >= self.quantiles[1]:
            refuse("quantiles", self.quantiles, "a smaller and a larger share", "exchange them")
        return self

    @classmethod
    def input_files(cls, dataset: Mapping[str, Any]) -> dict[str, str]:
        return {"table": expand(dataset["table"])}

    @classmethod
    def picture(cls, dataset: Mapping[str, Any]) -> tuple[int, int, int] | None:
        channels, size = dataset["channels"], dataset["size"]
        return None if channels is None or size is None else (len(channels), size, size)
