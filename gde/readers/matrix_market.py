"""MatrixMarket coordinate files (.mtx, .mtx.gz) of any size: parsed in blocks by Arrow, sorted by row on disk."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np

from gde.errors import GdeError, bad
from gde.files.sniffing import looks_like_html
from gde.readers.disk import DiskRows, FileArray, sort_by_row
from gde.readers.hdf5 import check_exists

BLOCK = 1 << 24  # bytes of text parsed at a time
PIECE = 4_000_000  # entries read again at a time, where they have to be sorted
FIELDS = ("real", "double", "integer", "unsigned-integer", "pattern")
MIRRORED = {"general": None, "symmetric": 1, "skew-symmetric": -1}  # sign of what stands on the other side
NAMES = ("row", "column", "value")


class Header:
    """The first lines of a file: shape (rows, columns), stored entries, field, and how many lines that took."""

    def __init__(self, path: Path):
        check_exists(path)
        if looks_like_html(path):
            raise bad(path, "an HTML page", "a MatrixMarket file", "fetch the file itself, not the page about it")
        with path.open("rb") as f:
            self.gzipped = f.read(2) == b"\x1f\x8b"
        with damage(path), (gzip.open if self.gzipped else open)(path, "rt", encoding="latin-1") as f:
            banner = f.readline().lower().split()
            if banner[:1] != ["%%matrixmarket"] or len(banner) != 5:
                raise bad(path, "no MatrixMarket banner", "%%MatrixMarket matrix coordinate ...", "check the file")
            if banner[1:3] != ["matrix", "coordinate"] or banner[3] not in FIELDS or banner[4] not in MIRRORED:
                found, expected = " ".join(banner[1:]), f"matrix coordinate {'|'.join(FIELDS)} {'|'.join(MIRRORED)}"
                remedy = "write it sparse and of real numbers: scipy.io.mmwrite(file, scipy.sparse.csr_matrix(x))"
                raise bad(path, f"'{found}'", f"'{expected}'", remedy)
            self.field, self.mirrored, self.lines = banner[3], MIRRORED[banner[4]], 2
            while (line := f.readline()).startswith("%"):
                self.lines += 1
            try:
                rows, columns, self.entries = (int(n) for n in line.split())
            except ValueError as e:
                found = repr(line.strip()[:60])
                raise bad(f"{path}: line {self.lines}", found, "rows columns entries", "check the file") from e
            first = f.readline().rstrip("\r\n")
        self.shape = (rows, columns)
        if min(rows, columns, self.entries) < 0 or max(rows, columns) >= 2**31:
            raise bad(f"{path}: line {self.lines}", f"'{line.strip()}'", "sizes below 2^31", "check the file")
        if self.mirrored is not None and rows != columns:
            raise bad(f"{path}: line {self.lines}", f"{rows} x {columns}", "a square, as it is symmetric", "check it")
        self.delimiter = "\t" if "\t" in first else " "


@contextmanager
def damage(path: Path) -> Iterator[None]:
    """Turn the errors of a damaged text into one line."""
    import pyarrow as pa

    try:
        yield
    except GdeError:
        raise
    except (pa.ArrowException, EOFError, zlib.error, gzip.BadGzipFile, OSError) as e:
        if getattr(e, "errno", None) is not None and not isinstance(e, gzip.BadGzipFile):
            raise  # the disk, not the text: a full one is told by whoever writes
        reason = " ".join(str(e).split())[:160] or type(e).__name__
        raise bad(
            path,
            f"a truncated or damaged file ({reason})",
            "lines of 'row column value' separated by single spaces or tabs",
            "fetch or write it again",
        ) from e


def read_matrix_market(path: Path, scratch: Path) -> DiskRows:
    """The matrix of a file as rows on disk, values float32, in a new directory below `scratch`.

    Of a symmetric matrix the file has one side, and the rows have both. At most 20 bytes an entry on disk. One pass
    over the text; where entries do not come row by row (R and scipy write by column), two more over binary numbers.
    Memory stays near 0.5 GB whatever the size. Raises GdeError for what is not a whole coordinate file.
    """
    path = Path(path)
    header = Header(path)
    scratch = Path(mkdtemp(dir=scratch, prefix=f"{path.name}."))
    n, d = header.shape
    files = [scratch / name for name in NAMES]
    per_row, seen, stored, last, by_row = np.zeros(n, np.int64), 0, 0, -1, True
    with files[0].open("wb") as f_row, files[1].open("wb") as f_column, files[2].open("wb") as f_value:
        for rows, columns, values in _blocks(path, header):
            for what, numbers, size in (("row", rows, n), ("column", columns, d)):
                if numbers.min() < 0 or numbers.max() >= size:
                    wrong = int(np.flatnonzero((numbers < 0) | (numbers >= size))[0])
                    place = f"{path}: entry {seen + wrong + 1}"
                    raise bad(place, f"{what} {numbers[wrong] + 1}", f"1 to {size} as the header says", "check it")
            seen += len(rows)
            if header.mirrored is not None:
                rows, columns, values = both_sides(rows, columns, values, header.mirrored, path)
            by_row = by_row and rows[0] >= last and bool((np.diff(rows) >= 0).all())
            last = rows[-1]
            per_row += np.bincount(rows, minlength=n)
            for file, numbers in ((f_row, rows), (f_column, columns), (f_value, values)):
                numbers.tofile(file)
            stored += len(rows)
    if seen != header.entries:
        raise bad(path, f"{seen} entries", f"{header.entries} as the header says", "fetch or write it again")
    arrays = [FileArray(f, t) for f, t in zip(files, (np.int32, np.int32, np.float32), strict=True)]
    if by_row:
        files[0].unlink()
        return DiskRows(arrays[2], arrays[1], np.concatenate([[0], np.cumsum(per_row)]), header.shape)

    def pieces() -> Iterator[tuple[np.ndarray, ...]]:
        for lo in range(0, stored, PIECE):
            part = slice(lo, min(lo + PIECE, stored))
            yield tuple(a[part] for a in arrays)

    rows = sort_by_row(pieces, per_row, header.shape, scratch)
    for file in files:
        file.unlink()
    return rows


def both_sides(rows, columns, values, sign: int, path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Entries (m,) of one side of a symmetric matrix, and behind them those of the other; the diagonal once."""
    if (above := rows < columns).any():
        i = int(above.argmax())
        found, remedy = (
            f"row {rows[i] + 1}, column {columns[i] + 1}",
            "say 'general' in its first line if all are there",
        )
        raise bad(path, found, "entries on or below the diagonal, as it is symmetric", remedy)
    other = rows != columns
    pairs = ((rows, columns[other]), (columns, rows[other]), (values, values[other] * np.float32(sign)))
    return tuple(np.concatenate(pair) for pair in pairs)


def _blocks(path: Path, header: Header) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Entries, block by block: rows and columns int32 counted from 0, values float32 (1 in a pattern)."""
    import pyarrow as pa
    from pyarrow import csv

    if header.entries == 0:
        return
    names = NAMES[: 2 if header.field == "pattern" else 3]
    types = dict(zip(NAMES, (pa.int32(), pa.int32(), pa.float32()), strict=True))
    # `null` and the like are not numbers here; NaN is one, refused later with its cell and gene.
    convert = csv.ConvertOptions(column_types={n: types[n] for n in names}, null_values=[], strings_can_be_null=False)
    read = csv.ReadOptions(column_names=list(names), skip_rows=header.lines, block_size=BLOCK)
    parse = csv.ParseOptions(delimiter=header.delimiter, quote_char=False)
    with damage(path), _text(path, header.gzipped) as stream:
        for batch in csv.open_csv(stream, read_options=read, parse_options=parse, convert_options=convert):
            if batch.num_rows == 0:
                continue
            columns = [c.to_numpy(zero_copy_only=False) for c in batch.columns]
            value = columns[2] if len(names) == 3 else np.ones(batch.num_rows, np.float32)
            yield columns[0] - np.int32(1), columns[1] - np.int32(1), value


def _text(path: Path, gzipped: bool) -> Any:
    import pyarrow as pa

    file = pa.OSFile(str(path))
    return pa.CompressedInputStream(file, "gzip") if gzipped else file
