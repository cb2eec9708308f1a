"""Generated samples on their way into a file."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gde.models.base import Model

if TYPE_CHECKING:
    import anndata


@dataclass(frozen=True)
class Written:
    """What the writer of a sample type (`SampleType.WRITER`) is given besides the file's name.

    model, embeddings : what samples are drawn with and of.   parts : samples (n_i, d) with the row of `embeddings` that
    they are of, one after the other, drawn as they are asked for.   about : the record that the file carries.
    blocks : write gzip as BGZF, whose record stands beside it.
    """

    model: Model
    embeddings: "anndata.AnnData"
    parts: Iterator[tuple[int, np.ndarray]]
    seed: int
    about: dict[str, Any]
    blocks: bool = False
