"""Images in a Zarr group with a table of what each is beside them, as gde writes them: a folder, or a zip archive."""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gde.errors import bad
from gde.readers.hdf5 import unknown

EXPECTED = "a Zarr group with `images` (n, c, h, w) and a table `obs` (a folder, or .zip)"
AGAIN = "write it again"
PIXELS = ("uint8", "uint16")
BYTES = 1 << 26  # of pixels that are read together


class ImageZarr:
    """The images (n, c, h, w) and the table of a Zarr group. GdeError for another file, pixels that are no whole
    numbers of 8 or 16 bits, and a table of another length.

    shape : of an image.   dtype, channels : of its pixels, and their names where they have some.
    """

    def __init__(self, path: Path):
        import zarr
        from anndata.io import read_elem

        self.path = path
        if not path.exists():
            raise bad(path, "no such file", EXPECTED, "correct the path")
        if path.is_file() and not zipfile.is_zipfile(path):
            raise bad(path, "a file that is no zip archive", EXPECTED, AGAIN)
        try:
            store = zarr.storage.ZipStore(path, mode="r") if path.is_file() else path
            group = zarr.open_group(store, mode="r")
            self.images, table = group["images"], group["obs"]
        except Exception as e:  # zarr raises several unrelated types for what is no group of these
            raise bad(path, f"no such group ({type(e).__name__}: {e})", EXPECTED, AGAIN) from e
        try:
            self.obs: pd.DataFrame = read_elem(table)
        except Exception as e:  # as many of anndata
            raise bad(f"{path}: obs", f"no table ({type(e).__name__}: {e})", EXPECTED, AGAIN) from e
        self.dtype, self.shape = str(self.images.dtype), tuple(self.images.shape[1:])
        if self.dtype not in PIXELS:
            raise bad(f"{path}: images", f"pixels of type {self.dtype}", f"whole numbers, {' or '.join(PIXELS)}", AGAIN)
        if len(self.shape) != 3 or not len(self.obs):
            raise bad(f"{path}: images", f"an array {tuple(self.images.shape)}", "images (n, c, h, w)", AGAIN)
        if len(self.obs) != self.images.shape[0]:
            found = f"{len(self.obs)} rows for {self.images.shape[0]} images"
            raise bad(f"{path}: obs", found, "a row for each image", AGAIN)
        self.channels = list(self.images.attrs.get("channels", []))
        if path.is_dir():
            self._check_chunks()

    def columns(self, names: list[str]) -> pd.DataFrame:
        """Columns of the table. GdeError for one that it has not, with the nearest name."""
        for name in names:
            if name not in self.obs:
                raise unknown(f"{self.path}: obs", name, list(self.obs.columns))
        return self.obs[names].reset_index(drop=True)

    def blocks(self) -> Iterator[np.ndarray]:
        """All images in their order, some tens of megabytes at a time. GdeError for a chunk that cannot be read."""
        step = max(1, BYTES // (int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize))
        for start in range(0, len(self.obs), step):
            yield self._read(slice(start, start + step))

    def _check_chunks(self) -> None:
        """GdeError for a chunk that is missing, which Zarr takes for one of zeros, or that was cut, which Blosc does
        not always notice (seen with zarr 3.1.6 and numcodecs 0.16.6); a zip archive has checksums."""
        blosc = any("blosc" in type(c).__name__.lower() for c in self.images.compressors)
        for place in np.ndindex(*self.images.cdata_shape):
            key = self.images.metadata.encode_chunk_key(place)
            file = self.path / self.images.path / key
            if not file.is_file():
                remedy = "get it again, or write empty chunks, too (write_empty_chunks=True)"
                raise bad(f"{self.path}: images", f"no chunk {key}", "all chunks of the array", remedy)
            if blosc:
                with file.open("rb") as f:
                    head = f.read(16)
                size, wanted = file.stat().st_size, int.from_bytes(head[12:16], "little")
                if len(head) < 16 or size != wanted:
                    found = f"{size} bytes in chunk {key}"
                    raise bad(f"{self.path}: images", found, f"{wanted} as its head says", f"it was cut: {AGAIN}")

    def _read(self, rows: slice) -> Any:
        try:
            return self.images[rows]
        except Exception as e:  # of codecs, of the archive, of the disk
            raise bad(f"{self.path}: images", f"a chunk that cannot be read ({e})", "a whole array", AGAIN) from e
