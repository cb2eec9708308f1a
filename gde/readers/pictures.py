"""Pictures: TIFF (ImageJ, OME-TIFF, plain) through tifffile, and PNG through Pillow, as channels of whole numbers.

Nothing is allocated before what a file claims has been compared with what it holds.
"""

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from gde.errors import GdeError, bad
from gde.files.sniffing import check_file

PIXELS = ("uint8", "uint16")
EXPECTED = "a picture: TIFF, OME-TIFF or PNG"
AGAIN = "get the file again"
MOST = 1 << 31  # bytes of a picture that is unpacked as a whole
MODES = {"L": ("uint8", 1), "RGB": ("uint8", 3), "I;16": ("uint16", 1)}  # of PNG
MICROMETRES = {"µm": 1.0, "um": 1.0, "micron": 1.0, "\\u00B5m": 1.0, "nm": 1e-3, "mm": 1e3}


@dataclass(frozen=True)
class Picture:
    """The head of a picture.   shape : (z, c, h, w).   channels : their names, or their numbers.   pixel_size : in
    micrometres, None where the file does not say."""

    path: Path
    shape: tuple[int, int, int, int]
    dtype: str
    channels: tuple[str, ...]
    pixel_size: float | None

    def chosen(self, wanted: Sequence[str | int] | None) -> list[int]:
        """Numbers of channels given by name or number; all for None. GdeError for one that is not there."""
        if wanted is None:
            return list(range(self.shape[1]))
        out = []
        for one in wanted:
            if isinstance(one, int) and 0 <= one < self.shape[1]:
                out.append(one)
            elif str(one) in self.channels:
                out.append(self.channels.index(str(one)))
            else:
                near = difflib.get_close_matches(str(one), self.channels, 1)
                hint = f"did you mean {near[0]!r}?" if near else "name one of them, or its number from 0"
                raise bad(self.path, f"no channel {one!r}", f"one of {', '.join(self.channels)}", hint)
        return out

    def plane(self, z: int | str | None) -> int | str:
        """The plane of a stack. GdeError where there are several and none was chosen, or not that one."""
        planes = self.shape[0]
        if z is None and planes > 1:
            raise bad(self.path, f"a stack of {planes} planes", "one plane", "choose one: dataset.z: 0, or max")
        if isinstance(z, int) and z >= planes:
            raise bad(self.path, f"{planes} planes", f"plane {z}, counted from 0", "lower dataset.z")
        return 0 if z is None else z

    def read(self, channels: Sequence[int], z: int | str | None = None) -> np.ndarray:
        """Pixels (len(channels), h, w) of a plane, or the brightest of all (`max`); a memory map where the file allows
        it. GdeError for a file that is cut or damaged."""
        plane = self.plane(z)
        stack = _read_png(self) if _is_png(self.path) else _read_tiff(self)
        if plane == "max":
            return stack[:, list(channels)].max(0)
        return stack[plane, list(channels)] if len(channels) < self.shape[1] else stack[plane]


def open_picture(path: Path) -> Picture:
    """The head of the picture at `path`. GdeError for a file that is absent, cut, of something else, of pixels that are
    no whole numbers of 8 or 16 bits, or that claims more than it can hold."""
    check_file(path, EXPECTED, "correct the path")
    return _png(path) if _is_png(path) else _tiff(path)


def _is_png(path: Path) -> bool:
    with path.open("rb") as f:
        return f.read(8) == b"\x89PNG\r\n\x1a\n"


def _damaged(path: Path, e: Exception) -> GdeError:
    return bad(
        path, f"no readable picture ({type(e).__name__}: {e})", EXPECTED, f"it was cut or is another file: {AGAIN}"
    )


def _opened_png(path: Path) -> Any:
    from PIL import Image

    try:
        return Image.open(path, formats=["PNG"])
    except Exception as e:  # Pillow raises several unrelated types for a damaged file, and for very large ones
        raise _damaged(path, e) from e


def _png(path: Path) -> Picture:
    with _opened_png(path) as image:
        if image.mode not in MODES:
            remedy = "convert it to grey of 8 or 16 bits, or RGB"
            raise bad(path, f"PNG pixels of mode {image.mode}", f"one of {', '.join(MODES)}", remedy)
        dtype, c = MODES[image.mode]
        w, h = image.size
    _check_size(path, (1, c, h, w), dtype)
    return Picture(path, (1, c, h, w), dtype, tuple(map(str, range(c))), None)


def _read_png(picture: Picture) -> np.ndarray:
    with _opened_png(picture.path) as image:
        try:
            pixels = np.asarray(image)
        except Exception as e:  # as on opening
            raise _damaged(picture.path, e) from e
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    return pixels.transpose(2, 0, 1)[None].astype(picture.dtype, copy=False)


def _check_size(path: Path, shape: tuple[int, ...], dtype: str) -> None:
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size > MOST:
        found = f"{math.prod(shape):.3g} pixels"
        raise bad(path, found, f"at most {MOST >> 30} GB of pixels where they are packed", "cut it into tiles")


def _series(path: Path, tiff: Any) -> Any:
    if len(tiff.series) != 1:
        raise bad(
            path, f"{len(tiff.series)} pictures of different sizes in it", "one", "write them to files of their own"
        )
    return tiff.series[0]


def _tiff(path: Path) -> Picture:
    import tifffile

    try:
        with tifffile.TiffFile(path) as tiff:
            series = _series(path, tiff)
            dtype, bits = str(series.dtype), series.keyframe.bitspersample
            if dtype not in PIXELS or bits not in (8, 16):
                remedy = "convert it to whole numbers from 0"
                raise bad(path, f"pixels of type {dtype}, {bits} bits", f"{' or '.join(PIXELS)}", remedy)
            shape = _axes(path, series.axes, series.shape)
            size = math.prod(shape) * series.dtype.itemsize
            if series.keyframe.compression == 1:
                held = sum(sum(page.databytecounts) for page in series.pages if page is not None)
                end = max((o + n for p in series.pages if p is not None
                           for o, n in zip(p.dataoffsets, p.databytecounts, strict=False)), default=0)  # fmt: skip
                if size > path.stat().st_size or end > path.stat().st_size or held < series.keyframe.size:
                    found = f"{path.stat().st_size} bytes"
                    raise bad(path, found, f"{size} bytes of pixels as its head says", f"the file was cut: {AGAIN}")
            else:
                _check_size(path, shape, dtype)
            channels, pixel_size = _about(path, tiff, shape[1])
    except GdeError:
        raise
    except Exception as e:  # tifffile raises several unrelated types for a damaged file
        raise _damaged(path, e) from e
    return Picture(path, shape, dtype, channels, pixel_size)


def _axes(path: Path, axes: str, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """(z, c, h, w) of a series with such axes."""
    size = {a: n for a, n in zip(axes, shape, strict=True) if n > 1 or a in "YX"}
    other = [a for a in size if a not in "ZCSQIYX"]
    if "Y" not in size or "X" not in size or other or sum(a in size for a in "CSQI") > 1:
        found = f"axes {axes} of sizes {shape}"
        raise bad(path, found, "Z, C, Y and X, or colours", "write one picture, or one stack, to a file")
    if size.get("S", 3) != 3:
        raise bad(path, f"{size['S']} colours", "red, green and blue", "take out the transparency")
    c = next((size[a] for a in "CSQI" if a in size), 1)
    return size.get("Z", 1), c, size["Y"], size["X"]


def _read_tiff(picture: Picture) -> np.ndarray:
    """All pixels (z, c, h, w)."""
    import tifffile

    path = picture.path
    try:
        with tifffile.TiffFile(path) as tiff:
            series = _series(path, tiff)
            axes = series.axes
            if series.dataoffset is not None and series.keyframe.compression == 1:
                pixels = tifffile.memmap(path, mode="r")
            else:
                pixels = series.asarray()
    except GdeError:
        raise
    except Exception as e:  # as on opening; a codec that is not installed
        if "imagecodecs" in str(e):
            raise bad(
                path, f"a compression that needs another library ({e})", EXPECTED, "pip install imagecodecs"
            ) from e
        raise _damaged(path, e) from e
    order = [axes.index(a) for a in "ZCSQIYX" if a in axes]
    rest = [i for i in range(len(axes)) if i not in order]  # of length 1
    return pixels.transpose(rest + order).reshape(picture.shape)


def _about(path: Path, tiff: Any, channels: int) -> tuple[tuple[str, ...], float | None]:
    """Names of the channels and size of a pixel, as far as the file says."""
    names, size = tuple(map(str, range(channels))), None
    if tiff.ome_metadata:
        text = tiff.ome_metadata
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            raise bad(path, "metadata that declare entities", "OME-XML", AGAIN)
        pixels = next((e for e in ElementTree.fromstring(text).iter() if e.tag.endswith("}Pixels")), None)
        if pixels is not None:
            found = [e.get("Name") for e in pixels if e.tag.endswith("}Channel")]
            if len(found) == channels and all(found) and len(set(found)) == channels:
                names = tuple(found)
            if pixels.get("PhysicalSizeX"):
                size = _positive(
                    float(pixels.get("PhysicalSizeX")) * MICROMETRES.get(pixels.get("PhysicalSizeXUnit", "µm"), 0)
                )
    elif tiff.imagej_metadata and (unit := MICROMETRES.get(str(tiff.imagej_metadata.get("unit", "")))):
        tag = tiff.pages[0].tags.get("XResolution")
        if tag is not None and tag.value[0]:
            size = _positive(unit * tag.value[1] / tag.value[0])
    return names, size


def _positive(size: float) -> float | None:
    return size if 0 < size < math.inf else None
