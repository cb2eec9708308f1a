"""The section `dataset`. A new kind is a class in one of these modules."""

from collections.abc import Mapping
from typing import Any

from gde.config.datasets import (
    bundled,
    cells,
    epidemic,
    images,
    methylation,
    patterns,
    promoters,
    proteins,
    screens,
    sequences,
    simulated,
    tables,
    tenx,
    texts,
)
from gde.config.datasets.base import DataSet
from gde.config.kinds import kinds_in, one_of
from gde.sets.types import sample_type
from gde.sets.types.base import SampleType

DATASETS = kinds_in(
    DataSet,
    simulated,
    tables,
    tenx,
    bundled,
    cells,
    methylation,
    promoters,
    patterns,
    sequences,
    epidemic,
    proteins,
    texts,
    images,
    screens,
)
Dataset = one_of(DATASETS)


def kind_of_data(dataset: Mapping[str, Any]) -> type[DataSet]:
    """The class of a data set, from its settings."""
    return DATASETS[dataset["kind"]]


def sample_type_of(dataset: Mapping[str, Any]) -> SampleType:
    """What the samples of a data set are, from its resolved settings; of what shape, only the data tell."""
    return sample_type(kind_of_data(dataset).sample_type_of(dataset))
