"""Images: samples that are pictures of several channels, whole numbers on disk and in batches."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from gde.errors import bad
from gde.sets.types.base import SampleType

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

BEYOND = 3.0  # standardised values stop here: hot pixels are ten and more times the quantile that is 1


@dataclass(frozen=True)
class Images(SampleType):
    """A picture (c, h, w) of whole numbers uint8 or uint16; networks are given -1 to 1 for what most pixels hold.

    dtype : of its pixels.   channels : names of the channels, none where they have none.   pixel_size : width of a
    pixel in micrometres, None where it is not known.
    """

    dtype: str = "uint8"
    channels: tuple[str, ...] = ()
    pixel_size: float | None = None

    PLURAL: ClassVar[str] = "images"
    FILE: ClassVar[str] = "a Zarr group of images"
    SUFFIX: ClassVar[str] = ".zarr.zip"
    WRITER: ClassVar[str] = "gde.export.images:write_images"
    READER: ClassVar[str] = "gde.prepare.common.query_images:image_store"
    OPTIONS: ClassVar[tuple[str, ...]] = ()

    @property
    def DTYPE(self) -> str:
        return self.dtype

    @property
    def described(self) -> str:
        if self.shape is None:
            return self.PLURAL
        c, h, w = self.shape
        return f"{self.dtype} images of {c} {'channel' if c == 1 else 'channels'}, {h} x {w} pixels"

    @property
    def positions(self) -> int:
        return self.shape[-2] * self.shape[-1]

    @property
    def sizes(self) -> dict[str, Any]:
        return {"dim": self.dim, "shape": self.shape}

    @property
    def constants(self) -> int:
        return self.shape[0]

    @property
    def section(self) -> dict[str, Any]:
        about = {"shape": list(self.shape), "dtype": self.dtype}
        return {"images": about | {"channels": list(self.channels), "pixel_size": self.pixel_size}}

    def noise(self, *leading: int) -> "Tensor":
        import torch

        return torch.randint(0, 256, (*leading, *self.shape)).to(getattr(torch, self.dtype))

    def check_values(self, real: "Tensor") -> None:
        if str(real.dtype) != f"torch.{self.dtype}":
            found = f"pixels of type {str(real.dtype).removeprefix('torch.')}"
            raise bad("x", found, f"pixels of type {self.dtype}, as in training", "give them as they are on disk")

    def placed(self, x: "Tensor", like: "Tensor") -> "Tensor":
        return x.to(like.device)

    def standardise(self, x: "Tensor", mean: "Tensor", scale: "Tensor") -> "Tensor":
        return x.to(mean.dtype).sub(mean[:, None, None]).div_(scale[:, None, None]).clamp_(-BEYOND, BEYOND)

    def restore(self, x: "Tensor", mean: "Tensor", scale: "Tensor") -> "Tensor":
        import torch

        x = x * scale[:, None, None] + mean[:, None, None]
        return x.round_().clamp_(0, (1 << (8 * self.itemsize)) - 1).to(getattr(torch, self.dtype))

    def check_fields(self, path: Path, fields: "Mapping[str, np.ndarray]", meta: Mapping[str, Any]) -> None:
        from gde.sets.store.check import check_images

        check_images(path / "x.npy", fields["x"], meta)

    def read(self, fields: "Mapping[str, np.ndarray]", rows: slice) -> "np.ndarray":
        return fields["x"][rows]

    def take(self, fields: "Mapping[str, np.ndarray]", rows: "np.ndarray") -> "np.ndarray":
        return fields["x"].take(rows, axis=0)


def scaling(low: "np.ndarray", high: "np.ndarray") -> tuple[list[float], list[float]]:
    """Mean and scale of each channel (c,), with which its values `low` and `high` (c,) become -1 and 1."""
    import numpy as np

    low, high = np.asarray(low, float), np.asarray(high, float)
    half = np.where(high > low, (high - low) / 2, 1.0)
    return (low + half).tolist(), half.tolist()
