"""Which of a user's columns groups cells."""

import re
from pathlib import Path

from gde.errors import bad

UNITS = re.compile(r"donor|patient|subject|individual|participant|sample|mouse|animal|clone|perturb", re.I)


def guess_groupby(columns: dict[str, int], n_cells: int, path: Path, rows: str = "obs") -> list[str]:
    """The column with the most values among those with at least two values and ten cells per value; one that is called
    as what experiments are made of before any other."""
    usable = {c: n for c, n in columns.items() if 2 <= n <= n_cells / 10}
    if units := {c: n for c, n in usable.items() if UNITS.search(c)}:
        usable = units
    if not usable:
        found = f"no column that groups cells ({', '.join(columns) or 'none'})"
        raise bad(f"{path}: {rows}", found, "one", "give --groupby COLUMN")
    return [max(usable, key=usable.get)]
