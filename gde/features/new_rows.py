"""Rows of a new file through the steps that were fitted in training, each held against what training rows were."""

import logging
from collections.abc import Iterator
from typing import Any

import numpy as np

from gde.errors import bad
from gde.features.matched import listed
from gde.features.seen import COUNTED, Seen, check_alike, totals

ROUNDING = 1e-6  # of a total in float32
log = logging.getLogger(__name__)


def transform_rows(features: Any, rows: Any, total: np.ndarray | None = None) -> Iterator[np.ndarray]:
    """Sample vectors (n, dim) float32 of all rows of a reader (with `chunks()`, `var_names` and `where`), in order.

    total : (rows,) of each row, in the place of the sum of its counts.
    GdeError for features that are missing and, behind the last row, for numbers that cannot be of the unit of training;
    what is left out of totals, or cannot be checked, goes to the log.
    """
    names, values = rows.var_names, features.cfg["values"]
    features.match(names, str(rows.where), totals_given=total is not None)
    known = None if features.others is None else [*features.names, *features.others]
    if told := about_totals(features, names, known, total is not None):
        log.warning("%s: %s", rows.where, told)
    seen, columns = Seen(values), _places(known, names)
    for start, x in rows.chunks():
        if columns is not None:
            seen.add(x if len(columns) == len(names) else x[:, columns])
        own = None if total is None else total[start : start + x.shape[0]]
        if own is not None:
            _check_given(x[:, features.match(names, totals_given=True).chosen], own, rows, start)
        yield features.transform(x, names, own)
    check_alike(features.seen, seen.record(), values, str(rows.where))


def _check_given(chosen: Any, total: np.ndarray, rows: Any, start: int) -> None:
    """GdeError for a row that has more counts of some features than its total says it has of all."""
    counted = totals(chosen)
    over = counted > total * (1 + ROUNDING)
    if over.any():
        row = int(over.argmax())
        found = f"a total of {total[row]:g} for {counted[row]:g} counts of features that the model uses"
        where = f"{rows.where}: row {start + row} ({rows.obs_names[start + row]})"
        raise bad(where, found, "a total of all features", "give the column that holds each cell's total of counts")


def _places(known: list[str] | None, names: list[str]) -> np.ndarray | None:
    """Columns of all features of training; None where some are missing or nobody knows them."""
    place = {n: i for i, n in enumerate(names)}
    if known is None or not all(n in place for n in known):
        return None
    return np.array([place[n] for n in known], dtype=np.int64)


def about_totals(features: Any, names: list[str], known: list[str] | None, given: bool) -> str:
    """What the user is told of the totals; empty where they are those of training."""
    counts = features.cfg["values"] in COUNTED
    if known is None:
        told = "the model does not say what its totals were of (an earlier gde trained it)"
        return f"{told}: those of all {len(names)} features of the file are taken" if counts else ""
    inside = len(set(known).intersection(names))
    if counts and given:
        told = f"totals are taken from obs; those of training were of {len(known)} features"
        return f"{told}, of which the file has {inside}"
    if counts and inside < len(names):
        known_names = set(known)
        more = [n for n in names if n not in known_names]
        return f"{len(more)} features that training did not have are left out, also of totals ({listed(more)})"
    if "totals" in features.seen and inside < len(known):
        return f"{len(known) - inside} of {len(known)} features of training are missing, so totals are not checked"
    return ""
