"""The constraints of wildcards: what they match is what they were made of, and a grid's cells make a short one."""

import re
from itertools import product

import pytest

from gde.runs.wildcards import any_of

PARTS = ("grid",), ("g",), ("encoder~a", "encoder~b.c"), [f"seed~{n}" for n in range(50)]
CELLS = ["/".join(parts) for parts in product(*PARTS)]
NAMES = [["gmm", "mvn", "mvn5"], CELLS, [*CELLS[:-1], "gmm"], ["a", "a/b", "a/b/c", "b/b"], ["x.y", "x+y", "x|y"], []]


@pytest.mark.parametrize("names", NAMES, ids=["names", "cells", "without one", "below each other", "special", "none"])
def test_exactly_the_names(names):
    everything = {name for some in NAMES for name in some} | {
        "",
        "gm",
        "gmm/",
        "grid",
        "xzy",
        "a/c",
        "grid/g/encoder~a",
    }
    assert {name for name in everything if re.fullmatch(any_of(names), name)} == set(names)


def test_the_cells_of_a_grid_are_its_axes():
    assert len(any_of(CELLS)) < 1000 < len("|".join(CELLS))
