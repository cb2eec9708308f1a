"""Generated images as a Zarr array with a table of what each is beside it, in one file."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from gde.files.sealed_zip import write_zip

if TYPE_CHECKING:
    import pandas as pd

    from gde.export.generated import Written

BYTES = 1 << 22  # of a chunk
LEVEL = 5  # of Zstandard


def write_images(out: Path, written: "Written") -> None:
    """Write images into the file `out`, a Zarr group (format 2) in a zip archive.

    images : (n, c, h, w) as in training, its attributes `channels` and `pixel_size` (micrometres) where they are known.
    obs : table (AnnData's encoding) of the images: the set's obs columns, and `set`, its name.   The record stands in
    the archive's comment (`gde.files.sealed_zip.read_about`).
        group = zarr.open_group(zarr.storage.ZipStore(path), mode="r")
        images, obs = group["images"], anndata.io.read_elem(group["obs"])
    """
    import zarr
    from anndata.io import write_elem
    from numcodecs import Zstd

    kind = written.model.sample_type
    with TemporaryDirectory(dir=out.parent, prefix=".images-") as scratch:
        group = zarr.open_group(scratch, mode="w", zarr_format=2)
        at_once = max(1, BYTES // (kind.dim * kind.itemsize))
        array = group.create_array(
            "images", shape=(0, *kind.shape), chunks=(at_once, *kind.shape), dtype=kind.DTYPE,
            compressors=Zstd(level=LEVEL), fill_value=0,
        )  # fmt: skip
        array.attrs["axes"] = ["sample", "channel", "y", "x"]
        array.attrs.update({k: v for k, v in (("channels", list(kind.channels)), ("pixel_size", kind.pixel_size)) if v})
        rows = []
        for i, images in written.parts:
            array.append(images)
            rows.append(np.full(len(images), i))
        write_elem(group, "obs", table_of(written, np.concatenate(rows)))
        write_zip(out, Path(scratch), written.about)


def table_of(written: "Written", row: np.ndarray) -> "pd.DataFrame":
    """What each image is: obs of the embedding at `row` (n,), which it was drawn of, and `set`."""
    obs = written.embeddings.obs.iloc[row].copy()
    obs["set"] = obs.index
    nth = np.concatenate([np.arange(n) for n in np.bincount(row) if n])
    obs.index = [f"{name}-{i}" for name, i in zip(obs["set"], nth, strict=True)]
    return obs
