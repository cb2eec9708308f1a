"""Counts of rows in files, about, in a moment: estimates need them before anything is read."""

import gzip
import zlib
from collections.abc import Iterable
from pathlib import Path

LOOKED_AT = 1 << 23  # bytes, unpacked; the rest is taken for alike


def about(path: Path, mark: bytes = b"\n") -> int | None:
    """How often `mark` stands in a file, plain or gzip, counted at its begin and carried on; None where that cannot be
    read, which is told, with the reason, by who reads it."""
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            file = gzip.GzipFile(fileobj=raw) if packed else raw
            head = file.read(LOOKED_AT)
            size, passed = path.stat().st_size, raw.tell()
    except (OSError, EOFError, zlib.error):
        return None
    found = head.count(mark)
    return found if len(head) < LOOKED_AT else round(found * size / max(passed, 1))


def about_all(paths: Iterable[Path], mark: bytes = b"\n") -> int | None:
    """The sum over files; None where one cannot be read."""
    counts = [about(path, mark) for path in paths]
    return None if None in counts else sum(counts)


def table_rows(path: Path) -> int | None:
    """Rows of a table with a header, about; of Parquet as its foot says."""
    if path.suffix in (".parquet", ".pq"):
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            return pq.read_metadata(path).num_rows
        except (OSError, pa.ArrowException):
            return None
    lines = about(path)
    return None if lines is None else max(0, lines - 1)
