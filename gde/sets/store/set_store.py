"""Set store: the samples of many groups on disk, sorted by group and read through memory maps.

Samples are vectors or images in one array, or sequences: tokens in one flat array, with the offsets of each sequence.
"""

import difflib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from gde.errors import bad
from gde.files.io import SUMS, read_json, read_sums, verify_sums
from gde.sets.batch import Batch
from gde.sets.permute import spread
from gde.sets.store.check import check_fields, check_groups, check_meta
from gde.sets.store.layout import FORMAT, WEIGHT, store_digest
from gde.sets.types import type_of_store
from gde.sets.types.alphabet import Alphabet

CHUNK = 1 << 16  # samples that are read together
_AGAIN = "the set store is damaged: make it again with the prepare rule"


class SetStore:
    """A read-only set store. One row of `groups` is the samples of one population in one split.

    groups : group (name), start, stop, split, then labels and covariates; index 0..G-1
    meta   : kind, dim, sample_shape, data, feature_names, mean, scale, ... (meta.json)
    fields : field name -> memory map (rows, ...); the numeric vectors are `x` (rows, *sample_shape). Of sequences `x`
        is (tokens,) uint8 and `offsets` (rows + 1,) int64; as samples they are tokens (..., length) uint8, zeros
        behind the end.
    sample_type : what a sample is (`gde.sets.types`)
    digest : the identity of its content (`gde.sets.store.layout.store_digest`)
    """

    def __init__(self, path: Path, groups: pd.DataFrame, meta: dict, fields: dict[str, np.memmap], digest: str):
        self.path, self.groups, self.meta, self.fields, self.digest = path, groups, meta, fields, digest
        self.starts = groups["start"].to_numpy(np.int64)
        self.sizes = groups["stop"].to_numpy(np.int64) - self.starts
        self.sample_type = type_of_store(meta)
        self._arrays = {name: np.asarray(field) for name, field in fields.items()}  # views: no map's own slow indexing

    @classmethod
    def open(cls, path: str | Path, *, verify: bool = True) -> "SetStore":
        """Open the store at `path`; with `verify` every byte is checked against SHA256SUMS first (about 1 s per 2 GB).

        Raises GdeError naming the file that is missing, damaged or does not fit the others.
        """
        path = Path(path)
        again = f"make it again with the prepare rule (`snakemake --force {path}`)"
        sums = verify_sums(path, again) if verify else read_sums(path, again)
        for name in ("groups.parquet", "meta.json", "x.npy"):
            if name not in sums:
                raise bad(path / name, f"not listed in {SUMS}", "a file of every set store", _AGAIN)
        meta = read_json(path / "meta.json")
        if isinstance(meta, dict) and meta.get("format") != FORMAT:
            raise bad(path / "meta.json", f"format {meta.get('format')}", f"format {FORMAT}", "make the store again")
        try:
            groups = pd.read_parquet(path / "groups.parquet")
        except Exception as e:  # pyarrow raises several unrelated types for a damaged file
            raise bad(path / "groups.parquet", f"unreadable ({e})", "a Parquet table", _AGAIN) from e
        check_meta(path / "meta.json", meta)
        check_groups(path / "groups.parquet", groups)
        fields = {}
        for file in (path / name for name in sums if name.endswith(".npy") and "/" not in name):
            try:
                fields[file.stem] = np.lib.format.open_memmap(file, mode="r")  # no archive, no object
            except (OSError, ValueError, EOFError) as e:
                raise bad(file, f"unreadable ({e})", "a whole .npy file", _AGAIN) from e
        kind, rows = type_of_store(meta), int(groups["stop"].max())
        check_fields(path, fields, rows, kind.lengths(rows))
        kind.check_fields(path, fields, meta)
        return cls(path, groups, meta, fields, store_digest(path))

    def __len__(self) -> int:
        return len(self.groups)

    @property
    def x(self) -> np.memmap:
        """All samples (rows, *sample_shape), read-only; of sequences all tokens (see `fields`)."""
        return self.fields["x"]

    @property
    def n_rows(self) -> int:
        """Samples of all groups together."""
        return int(self.starts[-1] + self.sizes[-1])

    @property
    def alphabet(self) -> Alphabet | None:
        """Of sequences, else None."""
        return self.sample_type.alphabet

    @property
    def weighted(self) -> bool:
        """Whether each sample says how many it stands for."""
        return WEIGHT in self.fields

    def field(self, name: str) -> np.memmap:
        """A further number of each sample (rows,), read-only. GdeError when the store has none of that name."""
        others = [f for f in self.fields if f not in self.sample_type.FIELDS]
        if name not in others:
            near = difflib.get_close_matches(name, others, 1)
            hint = f"did you mean {near[0]!r}?" if near else "this kind of data set has none"
            raise bad(self.path, f"no field {name!r}", f"one of {', '.join(others) or 'none'}", hint)
        return self.fields[name]

    @cached_property
    def truth(self) -> dict[str, Tensor]:
        """True parameters of synthetic groups, leading axis G. GdeError when the store has none."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        file = self.path / "truth.safetensors"
        if not file.is_file():
            raise bad(file, "no such file", "the true parameters of a simulated store", "this store is of real data")
        try:
            truth = load_file(file)
        except (SafetensorError, OSError, KeyError, ValueError) as e:
            raise bad(file, f"unreadable ({e})", "a whole safetensors file", _AGAIN) from e
        for name, value in truth.items():
            if value.shape[:1] != (len(self),) or not value.isfinite().all():
                found = f"values of shape {tuple(value.shape)}"
                raise bad(f"{file}: {name}", found, f"finite ones for each of {len(self)} groups", _AGAIN)
        return truth

    @cached_property
    def samples(self) -> pd.DataFrame:
        """What is known of single samples, one row for each row of `x`. GdeError when the store has no such table."""
        table = self.table("samples")
        if len(table) != self.n_rows:
            raise bad(self.path / "samples.parquet", f"{len(table)} rows", f"{self.n_rows} as in x.npy", _AGAIN)
        return table

    def table(self, name: str) -> pd.DataFrame:
        """A further table of the store, `<name>.parquet`. GdeError when there is none of that name."""
        file = self.path / f"{name}.parquet"
        if not file.is_file():
            raise bad(file, "no such file", f"a store with a table of {name}", "this kind of data set has none")
        try:
            return pd.read_parquet(file)
        except Exception as e:  # pyarrow raises several unrelated types for a damaged file
            raise bad(file, f"unreadable ({e})", "a Parquet table", _AGAIN) from e

    def select(self, split: str | None = None, **columns: Any) -> np.ndarray:
        """Row positions in `groups` (int64) of a split whose columns equal the given value, or one of a list."""
        keep = np.ones(len(self), bool)
        for name, wanted in (columns if split is None else {"split": split} | columns).items():
            if name not in self.groups:
                near = difflib.get_close_matches(name, self.groups.columns, 1)
                hint = f"did you mean {near[0]!r}?" if near else "choose one of them"
                raise bad(self.path, f"no column {name!r}", f"one of {', '.join(self.groups.columns)}", hint)
            values = list(wanted) if isinstance(wanted, list | tuple | set | np.ndarray) else [wanted]
            keep &= self.groups[name].isin(values).to_numpy()
        return np.flatnonzero(keep)

    def read(self, g: int, part: slice = slice(None)) -> np.ndarray:
        """Samples of group `g` (n_g, *sample_shape), or a part of them: a view of the map, sequences a padded copy."""
        start, stop, _ = part.indices(self.sizes[g])
        rows = slice(self.starts[g] + start, self.starts[g] + max(start, stop))
        return self.sample_type.read(self.fields, rows)

    def chunks(self, groups: np.ndarray | None = None, rows: int = CHUNK) -> Iterator[np.ndarray]:
        """All samples of groups (default: of all), at most `rows` of one group at a time."""
        for g in range(len(self)) if groups is None else groups:
            for start in range(0, self.sizes[g], rows):
                yield self.read(g, slice(start, min(start + rows, self.sizes[g])))

    def read_weights(self, g: int, part: slice = slice(None)) -> np.ndarray | None:
        """Weights (n_g,) float32 of group `g`, or of a part of it; None where the store has none."""
        if not self.weighted:
            return None
        rows = slice(self.starts[g], self.starts[g] + self.sizes[g])
        return np.array(self.fields[WEIGHT][rows][part], np.float32)

    def rows(self, groups: np.ndarray, component: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Rows of the map for b sets of n samples, none twice in a set.

        groups (b, k) int64, distinct within a set; component (b, n) in 0..k-1 says which of them each sample is from.
        returns (b, n) int64; -1 where a group has fewer samples than it was asked for.
        """
        b, k = groups.shape
        slot = (component + k * np.arange(b)[:, None]).ravel()
        order = np.argsort(slot.astype(np.uint16) if b * k < 1 << 16 else slot, kind="stable")  # radix sort if short
        asked = np.bincount(slot, minlength=b * k)
        sizes = self.sizes[groups].ravel()
        given = np.minimum(asked, sizes)
        if (given < asked).any():
            rank = np.arange(len(slot)) - np.repeat(np.cumsum(asked) - asked, asked)
            order = order[rank < np.repeat(sizes, asked)]
        rows = np.full(len(slot), -1)
        rows[order] = np.repeat(self.starts[groups].ravel(), given) + spread(sizes, given, rng)
        return rows.reshape(component.shape)

    def gather(self, rows: np.ndarray) -> tuple[Tensor, Tensor | None]:
        """Samples (b, n, *sample_shape) float32, of sequences uint8, of images as they are stored, at `rows` (b, n);
        mask (b, n), None when no row is -1.

        Masked samples are 0.
        """
        flat = rows.ravel()
        padding = np.flatnonzero(flat < 0)
        real = np.maximum(flat, 0)
        x = self.sample_type.take(self._arrays, real)
        x[padding] = 0
        mask = torch.from_numpy(rows >= 0) if len(padding) else None
        return torch.from_numpy(x.reshape(*rows.shape, *x.shape[1:])), mask

    def weights(self, rows: np.ndarray) -> Tensor | None:
        """Weights (b, n) float32 of the samples at `rows` (b, n), 0 at -1; None where the store has none."""
        if not self.weighted:
            return None
        weight = np.asarray(self.fields[WEIGHT]).take(np.maximum(rows, 0)).astype(np.float32, copy=False)
        weight[rows < 0] = 0
        return torch.from_numpy(weight)

    def draw(self, groups: np.ndarray, n: int, rng: np.random.Generator) -> Batch:
        """One set of n samples without replacement from each of `groups` (b,) int64.

        The mask is there also when every sample is real.
        """
        groups = np.asarray(groups, np.int64)
        rows = self.rows(groups[:, None], np.zeros((len(groups), n), np.int64), rng)
        x, mask = self.gather(rows)
        mask = torch.ones(x.shape[:2], dtype=torch.bool) if mask is None else mask
        return Batch(x, mask, self.weights(rows), group=torch.from_numpy(groups.copy()))
