"""A numeric table with group columns, read in chunks from CSV, TSV or Parquet; faults name row and column."""

import gzip
import re
import warnings
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gde.errors import GdeError, bad
from gde.files.sniffing import CONVERT, UNKNOWN, UNREADABLE, check_file, kind_of, looks_like_html, not_utf8, other_file
from gde.readers import parquet
from gde.readers.delimited import read_rows
from gde.readers.hdf5 import unknown
from gde.readers.missing import missing
from gde.readers.row_numbers import HEAD, NAMED, counts_rows, may_count_rows

CHUNK_VALUES = 8_000_000
DELIMITERS = {".csv": ",", ".tsv": "\t", ".txt": "\t", ".tab": "\t"}
INDEX = "the index of pandas"
DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+")


class Table:
    """Feature columns (numbers) and other columns (text) of a file; `chunks()` may be called again and again.

    features None means every column that is not in `others`, without the index of pandas and columns that count rows:
    `left_out` says which, and why. A transposed file (features and group rows down, samples across, first column their
    names) is read as a whole: it takes its text size in memory several times over.
    empty : cells without anything, or with a word for a missing value (NA of R), are NaN, instead of an error.
    text_only : only `others` are wanted, no features.   key : the setting that names the features, for messages.
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
        key: str = "features",
    ):
        self.path, self.others, self.empty, self.key = path, list(others), empty, key
        suffixes = [s.lower() for s in path.suffixes]
        self.gzipped = bool(suffixes) and suffixes[-1] == ".gz"
        kind = suffixes[-2] if self.gzipped and len(suffixes) > 1 else suffixes[-1] if suffixes else ""
        self.parquet = kind in (".parquet", ".pq")
        self._check_kind(kind)
        self.delimiter = DELIMITERS.get(kind, ",")
        self.rows: int | None = None  # of a file of text, counted while its header is read
        self.index: list[str] = []  # columns of a Parquet file that are pandas' index
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
                f"dataset.{key}", f"'{clash[0]}', which is a group or label column", "other columns", "take it out"
            )
        self.features = list(features) if features is not None else [n for n in names if n not in set(self.others)]
        if "" in self.features:
            raise bad(
                path,
                f"a column without a name (number {names.index('') + 1})",
                "a name for every column",
                f"name it, or list the columns to use under {key}",
            )
        self.step = max(1, min(65536, CHUNK_VALUES // max(len(self.features), 1)))
        self.left_out = self._row_numbers() if features is None else {}
        self.features = [name for name in self.features if name not in self.left_out]
        if not self.features and not text_only:
            told = "; ".join(f"{name!r} is left out: {why}" for name, why in self.left_out.items())
            found = f"no feature column{f' ({told})' if told else ''}"
            raise bad(path, found, "at least one numeric column", f"check groupby, labels and {key}")

    def _check_kind(self, ending: str) -> None:
        path, expected = self.path, "a table: CSV, TSV or Parquet"
        check_file(path, expected, "correct the path (relative paths start at the working directory)")
        kind = kind_of(path)
        if kind == "an empty file":
            raise bad(path, kind, "data", "fetch or write it again")
        if kind.startswith(UNREADABLE):
            raise bad(path, kind, expected, "look at the file, its permissions and its disk")
        if looks_like_html(path):
            raise bad(path, "an HTML page", "a table", "fetch the file itself, not the page about it")
        if "pickle" in kind:
            raise other_file(path, expected, "")
        if not self.parquet and ending not in DELIMITERS:
            raise bad(
                path,
                f"the ending '{''.join(path.suffixes)}'",
                ".csv, .tsv, .txt, .parquet, or .gz of the first three",
                "rename the file for its format",
            )
        wanted = "a Parquet file" if self.parquet else "a gzip file" if self.gzipped else "text"
        if kind in CONVERT and wanted == "text":
            raise not_utf8(path, open, expected)
        if kind not in (wanted, UNKNOWN, *CONVERT):
            raise other_file(path, f"{wanted}, as its ending says", "rename the file for its format, or unpack it")

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
                raise self._cell(start + row, self.features[column], shown(x[row, column]), "a finite number")
            yield start, x
            start += len(x)
        self._check_rows(start)

    def _row_numbers(self) -> dict[str, str]:
        """Columns that are no features unless somebody says so: pandas' index, and those that count the rows."""
        out = {name: INDEX for name in self.features if name in self.index}
        head = next(self._read([n for n in self.features if n not in out], HEAD), pd.DataFrame())
        reasons = {name: may_count_rows(name, _as_numbers(head[name].iloc[:HEAD])) for name in head}
        reasons = {name: why for name, why in reasons.items() if why}
        if not reasons:
            return out
        parts = list(self._read(list(reasons)))
        for name, why in reasons.items():
            values = np.concatenate([_as_numbers(part[name]) for part in parts])
            if why == NAMED or counts_rows(values):
                out[name] = why
        return out

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
        out = _as_numbers(values)
        wrong = np.isnan(out)
        if self.empty and wrong.any():
            wrong &= ~missing(values)
        if wrong.any():
            i = int(np.flatnonzero(wrong)[0])
            value = values.iloc[i]
            raise self._cell(start + i, name, "nothing" if pd.isna(value) or value == "" else f"'{value}'", "a number")
        return out

    def _cell(self, row: int, column: str, found: str, expected: str) -> GdeError:
        place = f"row {row + 1}" if self.transposed is None else f"sample {self.transposed.index[row]}"
        other = f"leave the column out with {self.key}: [...]" if self.key == "features" else "take the row out"
        remedy = f"correct the cell, or {other}"
        if DECIMAL_COMMA.fullmatch(found.strip("'")):
            remedy = "write decimal points for commas"
        return bad(f"{self.path}: {place}, column {column}", found, expected, remedy)

    def _read(self, columns: list[str], step: int | None = None) -> Iterator[pd.DataFrame]:
        """Chunks of the named columns; group columns come as text, so that '01' stays what it is."""
        if self.transposed is not None:
            yield self.transposed[columns].reset_index(drop=True)
            return
        if self.parquet:
            yield from parquet.read_columns(self.path, columns, step or self.step)
            return
        text = {n: str for n in columns if n in set(self.others)}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", pd.errors.ParserWarning)
                reader = pd.read_csv(
                    self.path,
                    sep=self.delimiter,
                    chunksize=step or self.step,
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
            expected, remedy = "the rows that were there a moment ago", "leave the file as it is while it is read"
            raise bad(self.path, f"rows of another length ({str(e).strip()})", expected, remedy) from e
        except (EOFError, OSError, zlib.error, UnicodeDecodeError) as e:
            raise self._damaged(e) from e

    def _open_text(self) -> Any:
        opener = gzip.open if self.gzipped else open
        return opener(self.path, "rt", encoding="utf-8-sig", newline="")

    def _header(self) -> list[str]:
        """Names of the columns. Of a file of text all rows are looked at: pandas would take a first field without a
        header for row names, pads short rows silently, and lets quotes swallow lines."""
        if self.parquet:
            names, self.index = parquet.read_header(self.path)
            return names
        rows = self._fields()
        header = next(rows, [])
        self.rows = sum(1 for _ in rows)
        if len(header) < 2:
            raise bad(
                self.path,
                f"one column with delimiter {self.delimiter!r}",
                "a group column and a feature",
                "check that the file's ending fits its delimiter (.csv comma, .tsv tab)",
            )
        return header

    def _fields(self) -> Iterator[list[str]]:
        try:
            with self._open_text() as f:
                for number, fields in enumerate(read_rows(f, self.delimiter, self.path)):
                    if "\0" in "".join(fields):  # which ends a value for some readers and is part of it for others
                        raise bad(f"{self.path}: row {number}", "a NUL byte", "text", "the file is damaged")
                    yield fields
        except UnicodeDecodeError as e:
            raise not_utf8(self.path, gzip.open if self.gzipped else open, "a table") from e
        except (EOFError, OSError, zlib.error) as e:
            raise self._damaged(e) from e

    def _transposed(self) -> pd.DataFrame:
        """The file turned round: rows are samples, columns features and groups, all text."""
        if self.parquet:
            return parquet.read_turned(self.path)
        rows = list(self._fields())
        header = rows[0] if rows else []
        twice = sorted({n for n in header if header.count(n) > 1})
        if twice:
            raise bad(
                self.path, f"the sample '{twice[0]}' {header.count(twice[0])} times", "distinct samples", "rename one"
            )
        cells = np.array([row[1:] for row in rows[1:]], dtype=object).reshape(len(rows) - 1, len(header) - 1)
        return pd.DataFrame(cells.T, columns=[row[0] for row in rows[1:]], index=header[1:], copy=False)

    def _damaged(self, e: Exception) -> GdeError:
        reason = (str(e).splitlines() or [type(e).__name__])[0][:160]
        if getattr(e, "errno", None) is not None:
            return bad(self.path, f"a file that cannot be read ({e.strerror})", "a table", "make it readable")
        return bad(self.path, f"a truncated or damaged file ({reason})", "a whole table", "fetch or write it again")


def _as_numbers(values: pd.Series) -> np.ndarray:
    """Numbers (n,) float64, NaN for what is none."""
    return pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)


def shown(value: np.floating) -> str:
    """A number as messages say it: 73, but 72.9999 where that was found."""
    short = f"{value:g}"
    return short if float(short) == value else str(value)
