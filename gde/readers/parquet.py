"""Parquet: columns of numbers and text in blocks of rows; the index of pandas, which lies among them, is told apart."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from gde.errors import GdeError, bad


@contextmanager
def damage(path: Path) -> Iterator[None]:
    """Turn what goes wrong in a file into one line: it is damaged, of another kind, or cannot be read at all."""
    import pyarrow as pa

    try:
        yield
    except GdeError:
        raise
    except (pa.ArrowException, OSError, ValueError, ArithmeticError, MemoryError) as e:
        reason = (str(e).splitlines() or [type(e).__name__])[0][:160]
        if isinstance(e, pa.ArrowNotImplementedError):
            found, remedy = f"a part of Parquet that is not understood ({reason})", "write it with pandas or pyarrow"
            raise bad(path, found, "a table", remedy) from e
        if getattr(e, "errno", None) is not None:
            raise bad(
                path, f"a file that cannot be read ({reason})", "a table", "read it where it can be opened"
            ) from e
        raise bad(path, f"a truncated or damaged file ({reason})", "a whole table", "fetch or write it again") from e


def read_header(path: Path) -> tuple[list[str], list[str]]:
    """Names of all columns, and of those among them that are pandas' index (`__index_level_0__` or its name)."""
    import pyarrow.parquet as pq

    with damage(path), pq.ParquetFile(path) as file:
        schema = file.schema_arrow
        told = (schema.pandas_metadata or {}).get("index_columns") or []
        return list(schema.names), [name for name in told if isinstance(name, str) and name in schema.names]


def read_columns(path: Path, columns: list[str], step: int) -> Iterator[pd.DataFrame]:
    """At most `step` rows at a time, the index of pandas a column like the others. GdeError for columns of another type
    than numbers or text."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with damage(path), pq.ParquetFile(path) as file:
        for name in columns:
            kind = file.schema_arrow.field(name).type
            if pa.types.is_nested(kind) or pa.types.is_binary(kind) or isinstance(kind, pa.BaseExtensionType):
                found, expected = f"values of type {kind}", "numbers or text"
                raise bad(f"{path}: column {name}", found, expected, "convert the column, or leave it out")
        for batch in file.iter_batches(batch_size=step, columns=columns):
            yield batch.to_pandas(ignore_metadata=True)[columns]


def read_turned(path: Path) -> pd.DataFrame:
    """A table of samples in columns turned round: samples down; names across are the index of pandas, if it is one of
    text, else the first column."""
    with damage(path):
        table = pd.read_parquet(path)
        if isinstance(table.index, pd.MultiIndex):
            remedy = "write it with reset_index()"
            raise bad(path, f"an index of {table.index.nlevels} levels", "names in one column", remedy)
        if isinstance(table.index, pd.RangeIndex) or pd.api.types.is_numeric_dtype(table.index):
            table = table.set_index(table.columns[0])
        return table.T.rename(columns=str)
