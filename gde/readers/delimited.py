"""Delimited text: rows of CSV and TSV, each with as many fields as the header, none of them swallowed by quotes."""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

from gde.errors import GdeError, bad

DELIMITERS = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars"}
QUOTES = 'take stray quotes (") out, or double each one inside a field and put quotes around it'
RENAME = {"\t": "name it .tsv (or .tsv.gz)", ",": "name it .csv (or .csv.gz)"}
POINTS = "pandas.read_csv(file, sep={0!r}, decimal=',').to_csv(new, index=False) writes commas and decimal points"


def read_rows(lines: Iterable[str], delimiter: str, path: Path) -> Iterator[list[str]]:
    """The header's fields, then those of every row; empty lines do not count.

    GdeError naming the row (from 1, below the header): another delimiter, another number of fields than the header's, a
    NUL byte, quotes that do not close or have something behind them, and quotes that make one row of several.
    """
    held: list[str] = []  # lines of the row

    def remembered() -> Iterator[str]:
        for line in lines:
            held.append(line)
            yield line

    header, number = None, 0
    try:
        for fields in csv.reader(remembered(), delimiter=delimiter, strict=True):
            if not fields:
                held.clear()
                continue
            if header is None:
                header, first = fields, held[0]
                _check_header(header, first, delimiter, path)
            elif len(fields) != len(header):
                raise _uneven(f"{path}: row {number}", len(fields), len(header), first, delimiter)
            if len(held) > 1 and all(line.count(delimiter) >= len(header) - 1 for line in held):
                found = f"quotes around {len(held)} lines, each of which is a row of its own"
                raise bad(f"{path}: row {number}", found, "a row in every line", QUOTES)
            if any("\0" in field for field in fields):
                raise bad(f"{path}: row {number}", "a NUL byte", "text", "the file is damaged, or in UTF-16")
            held.clear()
            number += 1
            yield fields
    except csv.Error as e:
        raise bad(f"{path}: row {number}", f"an ill-formed row ({e})", "fields of a table", QUOTES) from e


def _check_header(fields: list[str], line: str, delimiter: str, path: Path) -> None:
    """GdeError for a header in one piece that another delimiter would part."""
    if len(fields) == 1 and (other := _other(line, delimiter)):
        expected = f"{DELIMITERS[delimiter]}, as the file's ending says"
        raise bad(path, f"columns with {DELIMITERS[other]} ({other!r}) between them", expected, _remedy(other))


def _uneven(where: str, found: int, expected: int, header: str, delimiter: str) -> GdeError:
    if other := _other(header, delimiter):
        told = f"{found} fields between {DELIMITERS[delimiter]}, and a header with more {DELIMITERS[other]} ({other!r})"
        return bad(where, told, f"{expected} as in the header", _remedy(other))
    remedy = "the row is cut or holds a delimiter without quotes; .csv is for commas, .tsv for tabs"
    return bad(where, f"{found} fields", f"{expected} as in the header", remedy)


def _other(header: str, delimiter: str) -> str | None:
    """The delimiter that a header has more of than of the one expected; None where there is none."""
    most = max(DELIMITERS, key=header.count)
    return most if header.count(most) > header.count(delimiter) else None


def _remedy(delimiter: str) -> str:
    return RENAME.get(delimiter) or POINTS.format(delimiter)
