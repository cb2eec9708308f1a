"""Vectors: samples that are numbers on axes, standardised with constants of the training samples."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gde.errors import bad
from gde.sets.types.base import SampleType

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor


class Vectors(SampleType):
    """A vector of finite numbers (d,), such as a cell after its preprocessing."""

    DTYPE = "float32"
    PLURAL, FILE = "vectors", "an .h5ad"
    SUFFIX, WRITER = ".h5ad", "gde.export.samples_h5ad:write_vectors"
    READER, OPTIONS = "gde.prepare.common.query:cell_store", ("layer", "use_raw", "totals", "barcodes", "cells")

    def noise(self, *leading: int) -> "Tensor":
        import torch

        return torch.randn(*leading, *self.shape)

    def check_values(self, real: "Tensor") -> None:
        if not real.isfinite().all():
            raise bad("x", "NaN or infinity", "finite samples", "remove or mask those samples")

    def placed(self, x: "Tensor", like: "Tensor") -> "Tensor":
        return x.to(like)

    def standardise(self, x: "Tensor", mean: "Tensor", scale: "Tensor") -> "Tensor":
        return (x - mean) / scale

    def restore(self, x: "Tensor", mean: "Tensor", scale: "Tensor") -> "Tensor":
        return x * scale + mean

    def check_fields(self, path: Path, fields: "Mapping[str, np.ndarray]", meta: Mapping[str, Any]) -> None:
        from gde.sets.store.check import check_samples

        check_samples(path / "x.npy", fields["x"], meta)

    def read(self, fields: "Mapping[str, np.ndarray]", rows: slice) -> "np.ndarray":
        return fields["x"][rows]

    def take(self, fields: "Mapping[str, np.ndarray]", rows: "np.ndarray") -> "np.ndarray":
        # numpy's take, not torch's index_select: copying rows is bound by memory, and waking threads costs more.
        return fields["x"].take(rows, axis=0).astype(self.DTYPE, copy=False)
