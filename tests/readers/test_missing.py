"""Missing values of columns of names."""

import numpy as np
import pandas as pd
import pytest

from gde.readers.missing import WORDS, first_missing, missing


@pytest.mark.parametrize("absent", [None, np.nan, pd.NA, pd.NaT, "", "  ", " NA", *sorted(WORDS)])
@pytest.mark.parametrize("form", [list, lambda v: np.array(v, object), lambda v: pd.Series(v, dtype="category")])
def test_what_is_missing(absent, form):
    values = form(["D1", absent, "D2"])
    assert missing(values).tolist() == [False, True, False]
    row, found, remedy = first_missing(values)
    assert row == 1 and "missing value" in found and "fill it in" in remedy


@pytest.mark.parametrize(
    "values",
    [
        ["none", "unknown", "Na", "NAN", "Nancy", "NA12878", "0", "-", "?", "North America"],
        [0, 1, 2],
        [True, False],
        pd.Series([1.5, 2.0]),
        pd.Series(["a", "b"], dtype=pd.CategoricalDtype(["a", "b", "nan"])),  # a category that no row has
    ],
)
def test_what_is_a_value(values):
    assert not missing(values).any()
    assert first_missing(values) is None


@pytest.mark.parametrize("values", [[1.0, np.nan], pd.array([1, None], dtype="Int64")])
def test_missing_numbers(values):
    assert missing(values).tolist() == [False, True]
    assert first_missing(values)[:2] == (1, "a missing value")


def test_a_word_that_is_a_name_has_a_way_through():
    row, found, remedy = first_missing(["Europe", "NA"])
    assert row == 1 and "'NA'" in found and "write it in full" in remedy
