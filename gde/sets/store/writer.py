"""Store writer: write a set store in one pass over rows that arrive in any order."""

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from gde.errors import bad
from gde.files.io import atomic_dir
from gde.sets.store.layout import FORMAT
from gde.sets.store.parts import checked_groups, laid_out, write_parts

_CHUNK = 1 << 24  # bytes held at a time when written rows are read again


class StoreWriter:
    """Writes a set store from rows that arrive in any order; a context manager.

    The directory appears under its name when the block ends after `finish`, and not at all after an error. Rows are
    streamed into file-backed memory: anonymous memory stays near the size of one `write`, plus 8 bytes per row of the
    largest group. Inside a group rows are placed by a seeded permutation, so every contiguous piece is a fair sample.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        groups: pd.DataFrame,
        sample_shape: tuple[int, ...] | list[int],
        dtype: str = "float32",
        seed: int,
    ):
        """`groups` has the columns group, split, size and any labels; its row order is the store's order."""
        self.path = Path(path)
        self.groups = checked_groups(self.path, groups.reset_index(drop=True))
        self.sample_shape = tuple(int(s) for s in sample_shape)
        self.dtype = np.dtype(dtype)
        self._sizes = self.groups["size"].to_numpy(np.int64)
        self.groups = laid_out(self.groups)
        self._starts = self.groups["start"].to_numpy(np.int64)
        self._filled = np.zeros(len(self.groups), np.int64)
        self._rng = np.random.default_rng(seed)
        self._finished = False

    def __enter__(self) -> "StoreWriter":
        self._dir = atomic_dir(self.path)
        self._tmp = self._dir.__enter__()
        try:
            rows = int(self._sizes.sum())
            self._x = self._map("x.npy", self.dtype, (rows, *self.sample_shape))
            self._place = self._map("place.npy", np.dtype(np.int64), (rows,))
            for start, size in zip(self._starts, self._sizes, strict=True):
                self._place[start : start + size] = start + self._rng.permutation(size)
        except BaseException:
            self._dir.__exit__(*sys.exc_info())
            raise
        return self

    def _map(self, name: str, dtype: np.dtype, shape: tuple[int, ...]) -> np.memmap:
        """A new .npy file with its disk blocks reserved: a full disk is an error here, not a crash (SIGBUS) later."""
        file = self._tmp / name
        map_ = np.lib.format.open_memmap(file, mode="w+", dtype=dtype, shape=shape)
        with file.open("r+b") as f:
            os.posix_fallocate(f.fileno(), 0, file.stat().st_size)
        return map_

    def write(self, rows: np.ndarray, group: np.ndarray | int) -> np.ndarray:
        """Append rows (m, *sample_shape); `group` (m,) or a number: the position of each row's group in `groups`.

        returns (m,) int64, the row of the store that each one became.
        Raises GdeError for a number that is not finite, a row too many and values that the dtype cannot hold.
        """
        rows = np.asarray(rows)
        group = np.broadcast_to(np.asarray(group, np.int64), (len(rows),))
        if rows.shape[1:] != self.sample_shape:
            raise bad(self.path, f"samples of shape {rows.shape[1:]}", f"{self.sample_shape}", "check the features")
        if len(group) and not (group.min() >= 0 and group.max() < len(self.groups)):
            raise bad(self.path, f"group number {group.max()}", f"0..{len(self.groups) - 1}", "check the group codes")
        with np.errstate(over="ignore", invalid="ignore"):
            cast = rows.astype(self.dtype, copy=False)
        if self.dtype.kind == "f":
            fine = np.isfinite(cast)
        else:
            fine = cast == rows
        if not fine.all():
            row, *feature = np.argwhere(~fine)[0]
            number = self._filled[group[row]] + (group[:row] == group[row]).sum()
            where = f"{self.path}: group {self.groups['group'].iloc[group[row]]!r}, row {number}"
            value = f"{rows[(row, *feature)]} in feature {','.join(map(str, feature))}"
            raise bad(where, value, f"finite {self.dtype} numbers", "clean the input")
        order = np.argsort(group, kind="stable")
        count = np.bincount(group, minlength=len(self.groups))
        filled = self._filled + count
        if (filled > self._sizes).any():
            g = int(np.argmax(filled > self._sizes))
            name, size = self.groups["group"].iloc[g], self._sizes[g]
            raise bad(self.path, f"{filled[g]} rows for group {name!r}", f"its size {size}", "count the rows again")
        first = self._starts + self._filled - (np.cumsum(count) - count)
        place = self._place[np.repeat(first, count) + np.arange(len(rows))]
        by_position = np.argsort(place)
        self._x[place[by_position]] = cast[order[by_position]]
        self._filled = filled
        written = np.empty(len(rows), np.int64)
        written[order] = place
        return written

    def finish(
        self,
        meta: dict[str, Any],
        truth: dict[str, Tensor] | None = None,
        features: Any = None,
        tables: dict[str, pd.DataFrame] | None = None,
        provenance: dict[str, Any] | None = None,
    ) -> None:
        """Write the rest: meta.json, groups.parquet, truth (leading axis G), `features.save(<store>/features)` and
        provenance.json (with the digests of meta's sources), which is no part of the store's digest.

        tables : further ones, name -> content of <store>/<name>.parquet; `samples` has a row for each row of x.
        `mean` and `scale` (per feature, over train rows; scale is the standard deviation, 1 for a constant feature)
        are computed when `meta` has none. Raises GdeError when a group has fewer rows than its size.
        """
        if (self._filled < self._sizes).any():
            g = int(np.argmax(self._filled < self._sizes))
            name, size = self.groups["group"].iloc[g], self._sizes[g]
            raise bad(
                self.path, f"{self._filled[g]} rows for group {name!r}", f"its size {size}", "count the rows again"
            )
        own = {"format": FORMAT, "sample_shape": list(self.sample_shape), "dim": int(np.prod(self.sample_shape))}
        if "mean" not in meta or "scale" not in meta:
            own["mean"], own["scale"] = self._moments()
        self._x.flush()
        (self._tmp / "place.npy").unlink()
        del self._x, self._place
        about = {"truth": truth, "features": features, "tables": tables, "provenance": provenance}
        write_parts(self._tmp, self.path, self.groups, meta | own, **about)
        self._finished = True

    def _moments(self) -> tuple[list[float], list[float]]:
        """Mean and standard deviation (ddof 0) of each feature over the train rows (over all when there are none)."""
        train = (self.groups["split"] == "train").to_numpy()
        train = train if train.any() else np.ones(len(train), bool)
        step = max(1, _CHUNK // (8 * int(np.prod(self.sample_shape))))
        n, mean, m2 = 0, 0.0, 0.0
        for start, size in zip(self._starts[train], self._sizes[train], strict=True):
            for i in range(start, start + size, step):
                part = self._x[i : min(i + step, start + size)].reshape(-1, int(np.prod(self.sample_shape)))
                part = part.astype(np.float64)
                k, part_mean = len(part), part.mean(0)
                delta = part_mean - mean  # Chan, Golub & LeVeque 1979: join the moments of two parts
                mean = mean + delta * k / (n + k)
                m2 = m2 + ((part - part_mean) ** 2).sum(0) + delta**2 * n * k / (n + k)
                n += k
        scale = np.sqrt(m2 / n)
        return mean.tolist(), np.where(scale > 0, scale, 1.0).tolist()

    def __exit__(self, kind, value, traceback) -> None:
        if kind is not None or self._finished:
            self._dir.__exit__(kind, value, traceback)
            return
        try:
            raise RuntimeError("StoreWriter: the block ended without finish()")
        except RuntimeError:
            self._dir.__exit__(*sys.exc_info())
            raise
