"""A numeric table with group columns, read in chunks from CSV, TSV or Parquet; faults name row and column."""

import csv
import gzip
import warnings
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gde.errors import GdeError, bad
from gde.files.sniffing import kind_of, looks_like_html, other_file
from gde.readers.hdf5 import DAMAGE, check_exists, unknown

CHUNK_VALUES = 8_000_000
DELIMITERS = {".csv": ",", ".tsv": "\t", ".txt": "\t", ".tab": "\t"}


class Table:
    """Feature columns (numbers) and other columns (text) of a file; `chunks()` may be called again and again.

    features None means every column that is not in `others`. A transposed file (features and group rows down, samples
    across, first column their names) is read as a whole: it takes its text size in memory several times over.
    empty : cells without anything are NaN, instead of an error.   text_only : only `others` are wanted, no features.
    """

    def __init__(
        self,
        path: Path,
        others: Sequence[str],
        features: Sequence[str] | None,
        *,
        transpose: bool = False,
        empty: bool = False,
        text_only: bool = False,
    ):
        self.path, self.others, self.empty = path, list(others), empty
        check_exists(path)
        if looks_like_html(path):
            raise bad(path, "an HTML page", "a table", "fetch the file itself, not the page about it")
        if "pickle" in kind_of(path):
            raise other_file(path, "a table: CSV, TSV or Parquet", "")
        suffixes = [s.lower() for s in path.suffixes]
        self.gzipped = bool(suffixes) and suffixes[-1] == ".gz"
        kind = suffixes[-2] if self.gzipped and len(suffixes) > 1 else suffixes[-1] if suffixes else ""
        self.parquet = kind in (".parquet", ".pq")
        if not self.parquet and kind not in DELIMITERS:
            raise bad(
                path,
                f"the ending '{''.join(path.suffixes)}'",
                ".csv, .tsv, .txt, .parquet, or .gz of the first three",
                "rename the file for its format",
            )
        self.delimiter = DELIMITERS.get(kind, ",")
        self.rows: int | None = None  # of a file of text, counted while its header is read
        self.transposed = self._transposed() if transpose else None
        names = list(self.transposed.columns) if transpose else self._header()
        twice = sorted({n for n in names if names.count(n) > 1}) if len(set(names)) < len(names) else []
        if twice:
            raise bad(
                path, f"the column '{twice[0]}' {names.count(twice[0])} times", "distinct column names", "rename one"
            )
        for name in [*self.others, *(features or [])]:
            if name not in names:
                raise unknown(f"{path}: columns", name, names)
        clash = sorted(set(features or []) & set(self.others))
        if clash:
            raise bad(
                "dataset.features", f"'{clash[0]}', which is a group or label column", "other columns", "take it out"
            )
        self.features = list(features) if features is not None else [n for n in names if n not in set(self.others)]
        if not self.features and not text_only:
            raise bad(path, "no feature column", "at least one numeric column", "check groupby, labels and features")
        if "" in self.features:
            raise bad(
                path,
                f"a column without a name (number {names.index('') + 1})",
                "a name for every column",
                "name it, or list the columns to use under features",
            )
        self.step = max(1, min(65536, CHUNK_VALUES // max(len(self.features), 1)))

    def frame(self) -> pd.DataFrame:
        """The other columns (group, labels, split) of all rows, as text; raises GdeError for a file without rows."""
        parts = list(self._read(self.others))
        table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=self.others)
        if len(table) == 0:
            raise bad(self.path, "no rows", "a header and at least one row", "fetch or write the file again")
        self._check_rows(len(table))
        return table

    def chunks(self) -> Iterator[tuple[int, np.ndarray]]:
        """(first row, values (n, features) float64). GdeError names row, column and value of the first bad cell."""
        start = 0
        for part in self._read(self.features):
            columns = [self._numbers(part[name], name, start) for name in self.features]
            x = np.stack(columns, axis=1)
            wrong = ~np.isfinite(x) | (np.abs(x) > np.finfo(np.float32).max)
            wrong &= ~(self.empty & np.isnan(x))  # `_numbers` lets no other NaN pass
            if wrong.any():
                row, column = divmod(int(np.flatnonzero(wrong.ravel())[0]), x.shape[1])
                raise self._cell(start + row, self.features[column], f"{x[row, column]:g}", "a finite number")
            yield start, x
            start += len(x)
        self._check_rows(start)

    def _check_rows(self, n: int) -> None:
        """Two readers must see the same rows: they would not if the file changed, or a quote swallowed lines."""
        if self.rows is not None and n != self.rows:
            found, expected = f"{n} rows", f"{self.rows} as when its header was read"
            raise bad(self.path, found, expected, "leave the file as it is while it is read; check its quotes")

    def _numbers(self, values: pd.Series, name: str, start: int) -> np.ndarray:
        if values.dtype.kind in "mM":
            raise self._cell(start, name, f"'{values.iloc[0]}', a time", "a number")
        if pd.api.types.is_numeric_dtype(values.dtype) or pd.api.types.is_bool_dtype(values.dtype):
            return values.to_numpy(dtype=np.float64, na_value=np.nan)
        out = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
        missing = np.isnan(out)
        if self.empty:
            missing &= (values != "").to_numpy()
        if missing.any():
            i = int(np.flatnonzero(missing)[0])
            value = values.iloc[i]
            raise self._cell(start + i, name, "nothing" if pd.isna(value) or value == "" else f"'{value}'", "a number")
        return out

    def _cell(self, row: int, column: str, found: str, expected: str):
        place = f"row {row + 1}" if self.transposed is None else f"sample {self.transposed.index[row]}"
        return bad(
            f"{self.path}: {place}, column {column}",
            found,
            expected,
            "correct the cell, or leave the column out with features: [...]",
        )

    def _read(self, columns: list[str]) -> Iterator[pd.DataFrame]:
        """Chunks of the named columns; group columns come as text, so that 'NA' and '01' stay what they are."""
        if self.transposed is not None:
            yield self.transposed[columns].reset_index(drop=True)
            return
        if self.parquet:
            yield from self._read_parquet(columns)
            return
        text = {n: str for n in columns if n in set(self.others)}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", pd.errors.ParserWarning)
                reader = pd.read_csv(
                    self.path,
                    sep=self.delimiter,
                    chunksize=self.step,
                    dtype=text,
                    keep_default_na=False,
                    index_col=False,
                    usecols=columns,
                    low_memory=False,
                    encoding="utf-8-sig",
                    compression="gzip" if self.gzipped else None,
                    float_precision="round_trip",
                )
                with reader:
                    for part in reader:
                        yield part.reset_index(drop=True)
        except (pd.errors.ParserError, pd.errors.ParserWarning) as e:
            raise self._ragged(str(e)) from e
        except (*DAMAGE, EOFError, zlib.error) as e:
            raise self._damaged(e) from e

    def _read_parquet(self, columns: list[str]) -> Iterator[pd.DataFrame]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with pq.ParquetFile(self.path) as file:
                for name in columns:
                    kind = file.schema_arrow.field(name).type
                    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or isinstance(kind, pa.BaseExtensionType):
                        found, expected = f"values of type {kind}", "numbers or text"
                        raise bad(f"{self.path}: column {name}", found, expected, "convert the column, or leave it out")
                for batch in file.iter_batches(batch_size=self.step, columns=columns):
                    part = batch.to_pandas()
                    yield part[columns]
        except GdeError:
            raise
        except (pa.ArrowException, *DAMAGE) as e:
            raise self._damaged(e) from e

    def _open_text(self) -> Any:
        opener = gzip.open if self.gzipped else open
        return opener(self.path, "rt", encoding="utf-8-sig", newline="")

    def _header(self) -> list[str]:
        if self.parquet:
            import pyarrow as pa
            import pyarrow.parquet as pq

            try:
                with pq.ParquetFile(self.path) as file:
                    return list(file.schema_arrow.names)
            except (pa.ArrowException, *DAMAGE) as e:
                raise self._damaged(e) from e
        try:
            with self._open_text() as f:
                rows = self._fields(f)
                header = next(rows, [])
                self.rows = 0
                # pandas would take a first field without a header for row names, and pads short rows silently.
                for number, fields in enumerate(rows, 1):
                    if fields and len(fields) != len(header):
                        raise self._ragged(f"{len(fields)} fields in row {number}, {len(header)} in the header")
                    self.rows += bool(fields)
        except (EOFError, OSError, zlib.error, UnicodeDecodeError, csv.Error) as e:
            raise self._damaged(e) from e
        if len(header) < 2:
            raise bad(
                self.path,
                f"one column with delimiter {self.delimiter!r}",
                "a group column and a feature",
                "check that the file's ending fits its delimiter (.csv comma, .tsv tab)",
            )
        return header

    def _fields(self, f: Any) -> Iterator[list[str]]:
        """The fields of every line. A NUL ends a value for some readers and is part of it for others."""
        for number, fields in enumerate(csv.reader(f, delimiter=self.delimiter, strict=True)):
            if any("\0" in field for field in fields):
                raise bad(f"{self.path}: row {number}", "a NUL byte", "text", "the file is damaged, or in UTF-16")
            yield fields

    def _transposed(self) -> pd.DataFrame:
        """The file turned round: rows are samples, columns features and groups, all text."""
        if self.parquet:
            import pyarrow as pa

            try:
                table = pd.read_parquet(self.path)
                return table.set_index(table.columns[0]).T.rename(columns=str)
            except (pa.ArrowException, *DAMAGE) as e:
                raise self._damaged(e) from e
        header = self._header()
        twice = sorted({n for n in header if header.count(n) > 1})
        if twice:
            raise bad(
                self.path, f"the sample '{twice[0]}' {header.count(twice[0])} times", "distinct samples", "rename one"
            )
        with self._open_text() as f:
            rows = [row for row in self._fields(f) if row]
        self.rows = None
        cells = np.array([row[1:] for row in rows[1:]], dtype=object).reshape(len(rows) - 1, len(header) - 1)
        return pd.DataFrame(cells.T, columns=[row[0] for row in rows[1:]], index=header[1:], copy=False)

    def _ragged(self, reason: str):
        return bad(
            self.path,
            f"a row of another length ({reason.strip()})",
            "as many fields as the header in every row",
            "the file may be cut short, or a field contains the delimiter without quotes",
        )

    def _damaged(self, e: Exception):
        reason = (str(e).splitlines() or [type(e).__name__])[0][:160]
        return bad(self.path, f"a truncated or damaged file ({reason})", "a whole table", "fetch or write it again")
