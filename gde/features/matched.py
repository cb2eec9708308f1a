"""Where the features that a pipeline was fitted on stand among the names of an input."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gde.errors import bad

SHOWN = 5  # names in a message


class Matched(NamedTuple):
    """chosen : (g,) columns of `names`.   counted : (features,) 1.0 for those that a row's total is of; None = all."""

    names: Sequence[str]
    totals_given: bool
    chosen: np.ndarray
    counted: np.ndarray | None


def match(
    features: Sequence[str], counted: Sequence[str] | None, names: Sequence[str], where: str, totals_given: bool
) -> Matched:
    """The columns of `features`, and of `counted`, those that a row's total is of (None = all of the input's).

    GdeError that lists what is missing of either.
    """
    place = {str(n): i for i, n in enumerate(names)}
    if missing := [n for n in features if n not in place]:
        found = f"{len(missing)} of {len(features)} missing ({listed(missing)})"
        remedy = "give data with the same feature names (gene identifiers or symbols as in training)"
        raise bad(where, found, "every feature the model was fitted on", remedy)
    weights = None
    if counted is not None:
        if lost := [n for n in counted if n not in place]:
            found = f"{len(lost)} of the {len(counted)} features missing that totals were of in training"
            remedy = "give the counts of all of them, or with --totals a column of obs that holds each cell's total of "
            remedy += "them (what it has more or less moves the embedding)"
            raise bad(where, f"{found} ({listed(lost)})", "all of them", remedy)
        if len(place) > len(counted):
            weights = np.zeros(len(place))
            weights[[place[n] for n in counted]] = 1.0
    chosen = np.array([place[n] for n in features], dtype=np.int64)
    return Matched(names, totals_given, chosen, weights)


def listed(names: Sequence[str]) -> str:
    """The first few names."""
    return ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")
