"""The section `dataset`. A new kind is a class in one of these modules."""

from collections.abc import Mapping
from typing import Any

from gde.config.datasets import (
    bundled,
    cells,
    epidemic,
    methylation,
    patterns,
    promoters,
    proteins,
    sequences,
    simulated,
    tables,
    texts,
)
from gde.config.datasets.base import DataSet
from gde.config.kinds import kinds_in, one_of

DATASETS = kinds_in(
    DataSet,
    simulated,
    tables,
    bundled,
    cells,
    methylation,
    promoters,
    patterns,
    sequences,
    epidemic,
    proteins,
    texts,
)
Dataset = one_of(DATASETS)


def kind_of_data(dataset: Mapping[str, Any]) -> type[DataSet]:
    """The class of a data set, from its settings."""
    return DATASETS[dataset["kind"]]


def alphabet_of(dataset: Mapping[str, Any]) -> str | None:
    """The alphabet of a data set's sequences, from its resolved settings; None where samples are vectors."""
    sample_type = kind_of_data(dataset).sample_type_of(dataset)
    return None if sample_type == "vectors" else sample_type


def samples_file(dataset: Mapping[str, Any]) -> str:
    """The file of generated samples of a data set, from its resolved settings."""
    return {None: "samples.h5ad", "text": "samples.jsonl.gz"}.get(alphabet_of(dataset), "samples.fasta.gz")
