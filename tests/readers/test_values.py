"""Numbers as messages say them."""

import numpy as np
import pytest

from gde.readers.values import shown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.float32(73), "73"),
        (np.float32(72.9999), "72.9999"),
        (np.float64(72.99999999), "72.99999999"),
        (np.float32(-1), "-1"),
        (np.float64(1e300), "1e+300"),
        (np.int64(1234567890), "1234567890"),
        (np.float32("nan"), "nan"),
        (np.float64("inf"), "inf"),
    ],
)
def test_a_number_is_shown_as_it_was_found(value, text):
    assert shown(value) == text
