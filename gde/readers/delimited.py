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

    GdeError naming the row (from 1, below the header): another delimiter, another number of fields than the header's,
    quotes that do not close or have something behind them, and quotes that make one row of several.
    """
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    header, number, last = [], 0, 0  # last: the line that ends the row before
    try:
        for fields in reader:
            span, last = reader.line_num - last, reader.line_num
            if not fields:
                continue
            if not header:
                header = fields
                _check_header(header, delimiter, path)
            elif len(fields) != len(header):
                raise _uneven(f"{path}: row {number}", len(fields), header, delimiter)
            if span > 1 and _are_rows(fields, delimiter):
                found = f"quotes around {span} lines, each of which is a row of its own"
                raise bad(f"{path}: row {number}", found, "a row in every line", QUOTES)
            number += 1
            yield fields
    except csv.Error as e:
        if "field limit" in str(e):
            found, expected = f"a field of more than {csv.field_size_limit():,} characters", "shorter ones"
            remedy = "give long sequences as FASTA; if there are none, a quote is not closed"
            raise bad(f"{path}: row {number}", found, expected, remedy) from e
        raise bad(f"{path}: row {number}", f"an ill-formed row ({e})", "fields of a table", QUOTES) from e


def _are_rows(fields: list[str], delimiter: str) -> bool:
    """Whether each line of a row that runs over several has as many delimiters as the row has."""
    lines = delimiter.join(fields).split("\n")
    return all(line.count(delimiter) >= len(fields) - 1 for line in lines)


def _check_header(fields: list[str], delimiter: str, path: Path) -> None:
    """GdeError for a header in one piece that another delimiter would part."""
    if len(fields) == 1 and (other := _other(fields, delimiter)):
        expected = f"{DELIMITERS[delimiter]}, as the file's ending says"
        raise bad(path, f"columns with {DELIMITERS[other]} ({other!r}) between them", expected, _remedy(other))


def _uneven(where: str, found: int, header: list[str], delimiter: str) -> GdeError:
    expected = f"{len(header)} as in the header"
    if other := _other(header, delimiter):
        told = f"{found} fields between {DELIMITERS[delimiter]}, and a header with more {DELIMITERS[other]} ({other!r})"
        return bad(where, told, expected, _remedy(other))
    remedy = "the row is cut or holds a delimiter without quotes; .csv is for commas, .tsv for tabs"
    return bad(where, f"{found} fields", expected, remedy)


def _other(header: list[str], delimiter: str) -> str | None:
    """The delimiter that a header has more of than of the one expected; None where there is none."""
    line = delimiter.join(header)
    most = max(DELIMITERS, key=line.count)
    return most if line.count(most) > line.count(delimiter) else None


def _remedy(delimiter: str) -> str:
    return RENAME.get(delimiter) or POINTS.format(delimiter)
