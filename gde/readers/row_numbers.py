"""Row numbers: columns that count the rows of a table, which would be features of pure order."""

import re

import numpy as np

HEAD = 200  # rows that tell which columns may count them
FEWEST = 8  # rows: of fewer, whole numbers may rise by chance
NAMES = re.compile(
    r"Unnamed: \d+(_level_\d+)?|__index_level_\d+__|index|level_\d+|row_?(names?|numbers?|ids?|index)", re.I
)
NAMED, COUNTS = "it is called as row numbers are", "it counts the rows"
LARGEST = 2.0**53  # float64 counts no further
SHARE = 0.75  # of steps by one: counting begins again in every file of several that were joined


def may_count_rows(name: str, head: np.ndarray) -> str | None:
    """Whether a column with such a name and first values (m,) float64 may count rows; in words, None where not."""
    if not _whole(head):
        return None
    if NAMES.fullmatch(name):
        return NAMED
    steps = np.diff(head)
    return COUNTS if (steps > 0).all() or (steps < 0).all() or (steps == 1).mean() >= SHARE / 2 else None


def counts_rows(values: np.ndarray) -> bool:
    """Whether all values (n,) are whole numbers that rise, or fall, from each row to the next, or mostly by one."""
    steps = np.diff(values)
    if len(values) < FEWEST or not _whole(values):
        return False
    return bool((steps > 0).all() or (steps < 0).all() or (steps == 1).mean() >= SHARE)


def _whole(values: np.ndarray) -> bool:
    return len(values) > 1 and bool((np.abs(values) < LARGEST).all() and (values == np.rint(values)).all())
