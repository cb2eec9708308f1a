"""Rows of delimited text: all are accounted for, or one line says which is not."""

from pathlib import Path

import pytest

from gde.errors import GdeError
from gde.readers.delimited import read_rows

FILE = Path("t.csv")


def rows(text, delimiter=","):
    return list(read_rows(text.splitlines(keepends=True), delimiter, FILE))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a,b\n1,2\n", [["a", "b"], ["1", "2"]]),
        ("a,b\n\n1,2", [["a", "b"], ["1", "2"]]),
        ('a,b\n"x, y",2\n', [["a", "b"], ["x, y", "2"]]),
        ('a,b,c\n1,2,"two\nlines"\n3,4,5\n', [["a", "b", "c"], ["1", "2", "two\nlines"], ["3", "4", "5"]]),
        ('a,b,c\n"two, and\nlines",2,3\n', [["a", "b", "c"], ["two, and\nlines", "2", "3"]]),
        ('a,b\n5" wide,2\n', [["a", "b"], ['5" wide', "2"]]),
        ('a,b\n"5"" wide",2\n', [["a", "b"], ['5" wide', "2"]]),
    ],
)
def test_rows_are_read(text, found):
    assert rows(text) == found
    assert rows(text.replace(",", "\t"), "\t") == [[f.replace(",", "\t") for f in row] for row in found]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n1\n", "row 2: found 1 fields, expected 2 as in the header"),
        ('a,b\n1,"big\n2,3\n4,big"\n', "row 1: found quotes around 3 lines, each of which is a row of its own"),
        ('a,b\n"big,1\n2,3\nbig",4\n', "row 1: found"),
        ('a,b\n1,"2\n', "row 1: found an ill-formed row"),
        ('a,b\n"1"0,2\n', "row 1: found an ill-formed row"),
        ("a;b\n1;2\n", "t.csv: found columns with semicolons (';') between them, expected commas"),
        ("a;b, c;d\n1;2;3\n", "row 1: found 1 fields between commas, and a header with more semicolons (';')"),
        ("a\tb\n1\t2\n", "columns with tabs"),
        ("a,b\n1," + "A" * 200_000 + "\n", "a field of more than 131,072 characters, expected shorter ones; give long"),
    ],
)
def test_what_is_wrong_is_named(text, message):
    with pytest.raises(GdeError) as error:
        rows(text)
    assert message in str(error.value) and "\n" not in str(error.value)
