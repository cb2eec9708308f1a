"""Crops: pictures of single objects cut out of larger ones, each of which is opened once; memory is that of one."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gde.errors import GdeError, bad, many
from gde.readers.pictures import Picture, open_picture

log = logging.getLogger(__name__)
AT_ONCE = 256  # crops that are handed on together
NAMED = 5  # files that a message lists


@dataclass
class Plan:
    """What is to be read: `file` (n,) of each sample, a number among `files`; `centre` (n, 2) row and column, None
    for whole pictures; `size` pixels on a side; `height`, `width` (n,) of boxes that say how large an object is.

    counted : crops over an edge, padded with zeros; objects larger than a crop, of which the middle is taken.
    """

    files: list[Path]
    file: np.ndarray
    centre: np.ndarray | None
    size: int | None
    channels: Sequence[str | int] | None
    z: int | str | None
    extent: np.ndarray | None = None
    counted: dict[str, int] = field(default_factory=lambda: {"padded": 0, "larger": 0, "missing_files": 0})
    heads: list[Picture | None] = field(default_factory=list)

    def survey(self, max_missing: float) -> np.ndarray:
        """Open every file once: which samples (n,) bool have theirs. Missing and cut ones are named, and skipped up to
        the share max_missing of the files. GdeError beyond, and for pictures that are not alike."""
        self.heads, lost, first = [], [], None
        for path in self.files:
            try:
                head = open_picture(path)
            except GdeError as e:
                if not max_missing:
                    raise
                lost.append(e)
                self.heads.append(None)
                continue
            self.heads.append(head)
            chosen = (len(head.chosen(self.channels)), head.dtype, None if self.size else head.shape[2:])
            head.plane(self.z)
            first = first or (path, chosen)
            if chosen != first[1]:
                expected = f"{_told(first[1])} as of {first[0]}"
                raise bad(path, _told(chosen), expected, "make them alike, or choose dataset.channels and size")
        self.counted["missing_files"] = len(lost)
        if len(lost) > max_missing * len(self.files):
            expected = f"at most {max_missing:.3g} of them (dataset.max_missing)"
            raise bad(f"{len(lost)} of {len(self.files)} pictures", str(lost[0]), expected, "get them, or raise it")
        for e in lost[:NAMED]:
            log.warning("left out: %s", e)
        if len(lost) > NAMED:
            log.warning("left out: %s more", many(len(lost) - NAMED, "picture"))
        there = np.array([head is not None for head in self.heads])
        self._check_places(there[self.file])
        return there[self.file]

    def _check_places(self, there: np.ndarray) -> None:
        if self.centre is None:
            return
        sides = np.array([head.shape[2:] if head else (0, 0) for head in self.heads])[self.file]
        outside = there & ((self.centre < 0) | (self.centre >= sides)).any(1)
        if outside.any():
            row = int(outside.argmax())
            y, x = self.centre[row]
            found = f"an object at row {y:g}, column {x:g}"
            where = f"{self.files[self.file[row]]}: object {row + 1} of the table"
            h, w = sides[row]
            raise bad(where, found, f"one inside its {h} x {w} pixels", "check the order of the columns, and the units")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of a sample, (c, h, w)."""
        head = self._first
        h, w = (self.size, self.size) if self.size else head.shape[2:]
        return len(head.chosen(self.channels)), h, w

    @property
    def names(self) -> list[str]:
        """Of the channels; none where the files have none."""
        head = self._first
        named = [head.channels[i] for i in head.chosen(self.channels)]
        return [] if all(name.isdigit() for name in named) else named

    @property
    def _first(self) -> Picture:
        return next(head for head in self.heads if head is not None)

    @property
    def dtype(self) -> str:
        return self._first.dtype

    @property
    def pixel_size(self) -> float | None:
        """In micrometres, where all files say the same."""
        sizes = {head.pixel_size for head in self.heads if head is not None}
        return sizes.pop() if len(sizes) == 1 else None

    def blocks(self, kept: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Samples (m, c, h, w) of those that are kept (n,) bool, with their numbers (m,), picture by picture."""
        order = np.flatnonzero(kept)
        order = order[np.argsort(self.file[order], kind="stable")]
        images, rows = [], []
        for i in np.unique(self.file[order]):
            own, head = order[self.file[order] == i], self.heads[i]
            pixels = head.read(head.chosen(self.channels), self.z)
            for row in own:
                images.append(self._cut(pixels, int(row)))
                rows.append(row)
                if len(images) == AT_ONCE:
                    yield np.stack(images), np.array(rows)
                    images, rows = [], []
        if images:
            yield np.stack(images), np.array(rows)

    def _cut(self, pixels: np.ndarray, row: int) -> np.ndarray:
        if self.size is None:
            return np.array(pixels)
        if self.extent is not None and (self.extent[row] > self.size).any():
            self.counted["larger"] += 1
        return self._padded(pixels, np.floor(self.centre[row] - self.size / 2 + 0.5).astype(int))

    def _padded(self, pixels: np.ndarray, start: np.ndarray) -> np.ndarray:
        c, h, w = pixels.shape
        (top, left), size = start, self.size
        inside = np.s_[:, max(0, top) : min(h, top + size), max(0, left) : min(w, left + size)]
        if top >= 0 and left >= 0 and top + size <= h and left + size <= w:
            return np.array(pixels[inside])
        self.counted["padded"] += 1
        out: Any = np.zeros((c, size, size), pixels.dtype)
        part = pixels[inside]
        y, x = max(0, -top), max(0, -left)
        out[:, y : y + part.shape[1], x : x + part.shape[2]] = part
        return out


def _told(chosen: tuple[int, str, tuple[int, int] | None]) -> str:
    c, dtype, side = chosen
    return f"{many(c, 'channel')} of {dtype}{f', {side[0]} x {side[1]} pixels' if side else ''}"
