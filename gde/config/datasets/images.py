"""Data sets whose samples are pictures."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from gde.config.base import Names, Section, Share, Whole
from gde.config.datasets.base import Pictures
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
