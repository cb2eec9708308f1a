"""Token writer: write a set store of sequences in one pass over rows that arrive in any order, in constant memory."""

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd
from torch import Tensor

from gde.errors import bad
from gde.files.io import atomic_dir
from gde.sets.store.external_sort import GroupSort
from gde.sets.store.layout import FORMAT, OFFSETS, WEIGHT
from gde.sets.store.parts import checked_groups, laid_out, write_parts
from gde.sets.types.alphabet import ALPHABETS

SPOOL = "spool"
RESERVED = ("x", "code", "key", OFFSETS, "groups", "mask")
CHUNK = 1 << 23  # tokens that are checked together, few enough for a processor's cache


class TokenStoreWriter:
    """Writes a set store of sequences that arrive in any order; a context manager like `StoreWriter`.

    The directory appears under its name when the block ends after `finish`, and not at all after an error. Memory is
    a few tens of megabytes and that of one `write`; the disk holds the sequences twice, padded, while it runs. Inside
    a group sequences lie in a seeded random order, so every contiguous piece is a fair sample.

    length : tokens that a sequence has at most.   fields : name -> dtype of the numbers that each sequence has;
    `weight`, its multiplicity, is one that training and embedding know.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        alphabet: str = "dna",
        length: int,
        seed: int,
        fields: Mapping[str, str] | None = None,
    ):
        self.path, self.length, self.seed = Path(path), int(length), seed
        if alphabet not in ALPHABETS:
            raise bad(self.path, f"alphabet {alphabet!r}", f"one of {', '.join(ALPHABETS)}", "choose one of them")
        self.alphabet = ALPHABETS[alphabet]
        self.fields = {name: np.dtype(dtype) for name, dtype in (fields or {}).items()}
        for name, dtype in self.fields.items():
            if name in RESERVED or not name.isidentifier() or dtype.kind not in "fiu":
                raise bad(self.path, f"field {name!r} of type {dtype}", "a name of its own, and numbers", "rename it")
        self.rows = self.residues = 0
        self._finished = False

    def __enter__(self) -> "TokenStoreWriter":
        self._dir = atomic_dir(self.path)
        self._tmp = self._dir.__enter__()
        try:
            (self._tmp / SPOOL).mkdir()
            dtype = np.dtype([("x", np.uint8, (self.length,)), *self.fields.items()])
            self._sort = GroupSort(self._tmp / SPOOL, dtype, seed=self.seed)
        except BaseException:
            self._dir.__exit__(*sys.exc_info())
            raise
        return self

    def write(self, tokens: np.ndarray, code: np.ndarray | int, **fields: np.ndarray) -> None:
        """Append sequences: tokens (m, length) uint8 with zeros behind the end of each, code (m,) the number of its
        group, and (m,) of each field.

        Raises GdeError naming the first sequence, counted over all calls, that is empty, goes on behind its end, has
        a token that is no residue, or a number that is not finite (a weight: not above 0).
        """
        tokens = np.asarray(tokens)
        code = np.broadcast_to(np.asarray(code, np.int64), (len(tokens),))
        if tokens.shape[1:] != (self.length,) or tokens.dtype != np.uint8:
            found = f"tokens {tokens.shape} of type {tokens.dtype}"
            raise bad(self.path, found, f"(sequences, {self.length}) of type uint8", "pad with zeros")
        if set(fields) != set(self.fields):
            found, expected = f"fields {', '.join(fields) or 'none'}", ", ".join(self.fields) or "none"
            raise bad(self.path, found, expected, "give those that the writer was made with")
        if len(code) and not 0 <= code.min() <= code.max() < 2**31:
            raise bad(self.path, f"group number {min(code.min(), code.max())}", "0 or more", "check the group codes")
        step = max(1, CHUNK // self.length)
        for start in range(0, len(tokens), step):
            self._check_tokens(tokens[start : start + step], self.rows + start)
        cast = {name: self._cast(name, fields[name], len(tokens)) for name in self.fields}
        self._sort.add(code, x=tokens, **cast)
        self.rows += len(tokens)

    def _check_tokens(self, tokens: np.ndarray, before: int) -> None:
        largest = tokens.max()
        if largest > self.alphabet.size:
            row, place = np.argwhere(tokens > self.alphabet.size)[0]
            where, residues = f"{self.path}: sequence {before + row + 1}", self.alphabet.symbols
            found = f"token {tokens[row, place]} at position {place + 1}"
            raise bad(where, found, f"0..{self.alphabet.size} for {residues}", "encode it with the alphabet")
        real = tokens != 0
        self.residues += int(np.count_nonzero(real))
        if not real[:, 0].all():
            row = int((~real[:, 0]).argmax())
            raise bad(f"{self.path}: sequence {before + row + 1}", "no tokens", "one or more", "leave it out")
        resumed = real[:, 1:] > real[:, :-1]
        if resumed.any():
            row, place = np.argwhere(resumed)[0]
            found = f"a token at position {place + 2}, behind the end"
            raise bad(f"{self.path}: sequence {before + row + 1}", found, "zeros", "pad behind the end only")

    def _cast(self, name: str, values: np.ndarray, n: int) -> np.ndarray:
        values, dtype = np.broadcast_to(np.asarray(values), (n,)), self.fields[name]
        with np.errstate(over="ignore", invalid="ignore"):
            cast = values.astype(dtype, copy=False)
        fine = np.isfinite(cast) if dtype.kind == "f" else cast == values
        if name == WEIGHT:
            fine &= cast > 0
        if not fine.all():
            row = int((~fine).argmax())
            expected = f"a {dtype} above 0" if name == WEIGHT else f"a finite {dtype}"
            where = f"{self.path}: sequence {self.rows + row + 1}"
            raise bad(where, f"{name} {values[row]}", expected, "clean the input")
        return cast

    def finish(
        self,
        groups: pd.DataFrame,
        meta: dict[str, Any],
        truth: dict[str, Tensor] | None = None,
        tables: dict[str, pd.DataFrame] | None = None,
        provenance: dict[str, Any] | None = None,
    ) -> None:
        """Sort, and write the rest as `StoreWriter.finish` does.

        groups : row i is the group of code i, with the columns group, split and any labels; its size is counted here.
        GdeError for a code beyond them, for a group without sequences, and for what `checked_groups` refuses.
        """
        sizes = self._sort.sizes
        if len(sizes) > len(groups):
            expected = f"0..{len(groups) - 1}, the rows of groups"
            raise bad(self.path, f"group number {len(sizes) - 1}", expected, "check the group codes")
        if "size" in groups:
            raise bad(self.path, "a label column 'size'", "a name that is not the store's own", "rename the column")
        sizes = np.pad(sizes, (0, len(groups) - len(sizes)))
        groups = laid_out(checked_groups(self.path, groups.reset_index(drop=True).assign(size=sizes)))
        self._write_sorted()
        shutil.rmtree(self._tmp / SPOOL)
        own = {"format": FORMAT, "alphabet": self.alphabet.name, "sample_shape": [self.length], "dim": self.length}
        own |= {"mean": [0.0] * self.length, "scale": [1.0] * self.length}
        write_parts(self._tmp, self.path, groups, meta | own, truth=truth, tables=tables, provenance=provenance)
        self._finished = True

    def _write_sorted(self) -> None:
        """Tokens, offsets and fields, from begin to end."""
        names = {"x": np.dtype(np.uint8), OFFSETS: np.dtype(np.int64), **self.fields}
        sizes = {"x": self.residues, OFFSETS: self.rows + 1}
        files = {
            name: _npy(self._tmp / f"{name}.npy", dtype, sizes.get(name, self.rows)) for name, dtype in names.items()
        }
        try:
            end = 0
            np.zeros(1, np.int64).tofile(files[OFFSETS])
            for records in self._sort.sorted():
                x = records["x"]
                real = x != 0
                length = real.view(np.uint8).sum(1, dtype=np.int64)
                x[real].tofile(files["x"])
                offsets = end + np.cumsum(length)
                offsets.tofile(files[OFFSETS])
                end = int(offsets[-1])
                for name in self.fields:
                    np.ascontiguousarray(records[name]).tofile(files[name])
        finally:
            for f in files.values():
                f.close()

    def __exit__(self, kind, value, traceback) -> None:
        self._sort.close()
        if kind is not None or self._finished:
            self._dir.__exit__(kind, value, traceback)
            return
        try:
            raise RuntimeError("TokenStoreWriter: the block ended without finish()")
        except RuntimeError:
            self._dir.__exit__(*sys.exc_info())
            raise


def _npy(path: Path, dtype: np.dtype, n: int) -> IO[bytes]:
    """A .npy file of n numbers, open behind its header."""
    f = path.open("wb")
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": (n,)}
    np.lib.format.write_array_header_1_0(f, header)
    return f
