"""Missing values: those that are nothing, and those that a program spelled out, in columns of names."""

from typing import Any

import numpy as np
import pandas as pd

# What Python, NumPy, pandas, R, SQL and Excel write for a value that is not there, once the column is text: a donor
# `nan` would train like any other. Words that people choose (none, unknown) are values.
WORDS = frozenset(
    ["nan", "NaN", "-nan", "NA", "<NA>", "N/A", "n/a", "#N/A", "NaT", "None", "NULL", "null", "<null>", "(null)"]
)
REMEDY = "fill it in or drop the row, then write the file again"


def is_word(value: Any) -> bool:
    """Whether a value is text that stands for a missing one: nothing but blanks, or one of WORDS, blanks around it."""
    return isinstance(value, str) and (not (bare := value.strip()) or bare in WORDS)


def missing(values: Any) -> np.ndarray:
    """Whether each value (n,) of a column of names (groups, labels, donors, targets) is missing, bool: None, NaN, NaT,
    blanks alone, or one of WORDS.

    values : Series, array or list of any type; of categories, those that occur count.
    """
    column = pd.Series(values)
    if column.dtype.kind in "iufb":
        return column.isna().to_numpy()
    words = [value for value in column.unique() if is_word(value)]
    return (column.isna() | column.isin(words)).to_numpy()


def first_missing(values: Any) -> tuple[int, str, str] | None:
    """Of a column of names (n,): the first row that `missing` is true of, what was found there, and the remedy, for
    `gde.errors.bad`; None where every row has a value.

    A word that is a name here (NA for North America) passes when it is written in full, as the remedy says.
    """
    absent = missing(values)
    if not absent.any():
        return None
    row = int(absent.argmax())
    value = pd.Series(values).iloc[row]
    if not isinstance(value, str) or not value.strip():
        return row, "a missing value", REMEDY
    more = f"if {value.strip()!r} is a name here, write it in full (NA: North America)"
    return row, f"{value!r}, a missing value that was spelled out", f"{REMEDY}; {more}"
