"""Names without a slash: distinct ones stay distinct, and what has no slash keeps its name."""

import pytest

from gde.files.keys import without_slashes


@pytest.mark.parametrize(
    ("names", "taken", "expected"),
    [
        (["a", "b_c"], (), ["a", "b_c"]),
        (["T/a", "b"], (), ["T_a", "b"]),
        (["T/a", "T_a"], (), ["T_a_1", "T_a"]),
        (["T/a", "T_a", "T_a_1"], (), ["T_a_2", "T_a", "T_a_1"]),
        (["a/b/c", "a_b/c", "a/b_c"], (), ["a_b_c", "a_b_c_1", "a_b_c_2"]),
        (["a", "b/c"], ("a", "b_c"), ["a_1", "b_c_1"]),
        ([], (), []),
    ],
)
def test_slashes_go_and_names_stay_distinct(names, taken, expected):
    assert without_slashes(names, taken) == expected
