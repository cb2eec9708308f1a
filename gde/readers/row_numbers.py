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
MIXED = 30  # rows: of as many, measured whole numbers come twice; numbers of rows that were mixed never do
SPAN = 1.5  # times the rows: so many were counted where some were taken out


def may_count_rows(name: str, head: np.ndarray) -> str | None:
    """Whether a column with such a name and first values (m,) float64 may count rows; in words, None where not."""
    if not _whole(head):
        return None
    if NAMES.fullmatch(name):
        return NAMED
    steps = np.diff(head)
    rising = (steps > 0).all() or (steps < 0).all() or (steps == 1).mean() >= SHARE / 2
    return COUNTS if rising or len(np.unique(head)) == len(head) >= MIXED else None


def counts_rows(values: np.ndarray) -> bool:
    """Whether all values (n,) are whole numbers that rise, or fall, from each row to the next, or mostly by one; or
    that are, in any order, nearly all of a range and none of them twice."""
    steps = np.diff(values)
    if len(values) < FEWEST or not _whole(values):
        return False
    rising = (steps > 0).all() or (steps < 0).all() or (steps == 1).mean() >= SHARE
    return bool(rising or (len(values) >= MIXED and _mixed_range(values)))


def _mixed_range(values: np.ndarray) -> bool:
    steps = np.diff(np.sort(values)).astype(np.int64)
    return bool((steps > 0).all() and steps.sum() / np.gcd.reduce(steps) < SPAN * len(values))


def _whole(values: np.ndarray) -> bool:
    return len(values) > 1 and bool((np.abs(values) < LARGEST).all() and (values == np.rint(values)).all())
