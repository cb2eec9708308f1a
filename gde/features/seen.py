"""What raw rows look like: kept of training rows, so that rows of a new file can be held against them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

from gde.errors import bad

MARGIN = 1.25  # by which the median total of a file may lie outside the totals of training
ENOUGH = 1000  # numbers from which on none that is negative, or has a fraction, is no chance
SOME = 0.05  # share of negative numbers


class Seen:
    """Totals of rows that are normalised or log-normalised; of scaled ones how many numbers are negative or whole.

    Counts are anything a cell may have: their depth is no unit.
    """

    def __init__(self, values: str):
        self.values = values
        self.totals: list[np.ndarray] = []
        self.n = self.negative = self.fractions = 0

    def add(self, x: Any, linear: Any = None) -> None:
        """Rows x (n, features), sparse or dense; `linear` is exp(x) - 1 of log-normalised ones where it is known."""
        if self.values == "scaled":
            data = x.data if sp.issparse(x) else x
            self.n += x.shape[0] * x.shape[1]
            self.negative += int((data < 0).sum())
            self.fractions += int((data != np.rint(data)).sum())
        elif self.values == "lognorm":
            self.totals.append(totals(expm1(x) if linear is None else linear))
        elif self.values == "normalised":
            self.totals.append(totals(x))

    def record(self) -> dict[str, Any]:
        """The same in numbers: `totals`, quantiles .01, .5 and .99 over the rows that are not empty, or `negative` and
        `fractions`, shares of all numbers."""
        if self.values == "scaled":
            n = max(self.n, 1)
            return {"numbers": self.n, "negative": self.negative / n, "fractions": self.fractions / n}
        found = np.concatenate(self.totals) if self.totals else np.empty(0)
        found = found[found > 0]
        if not len(found):
            return {}
        return {"totals": [float(f"{v:.6g}") for v in np.quantile(found, [0.01, 0.5, 0.99])]}


def check_alike(trained: Mapping[str, Any], found: Mapping[str, Any], values: str, where: str) -> None:
    """GdeError unless rows of a file, `found`, can be of the unit that those of training, `trained`, had; both as
    `Seen.record`."""
    if "totals" in trained and "totals" in found:
        low, middle, high = trained["totals"]
        total = found["totals"][1]
        if not low / MARGIN <= total <= high * MARGIN:
            of = "expm1 of the values" if values == "lognorm" else "the values"
            expected = f"about {middle:.4g}, as in training ({low:.4g} to {high:.4g})"
            told = " and take the natural log1p" if values == "lognorm" else ""
            remedy = f"normalise its counts to the same total (sc.pp.normalize_total(target_sum={middle:.4g})){told}"
            raise bad(where, f"cells whose total is {total:.4g} in the middle (sum of {of})", expected, remedy)
    if "negative" in trained and found.get("numbers", 0) >= ENOUGH:
        remedy = "give the values that the model was trained on, transformed and scaled in the same way"
        for share, what in (("negative", "negative"), ("fractions", "with a fraction")):
            then, now = trained[share], found[share]
            if min(then, now) == 0 and max(then, now) > SOME:
                raise bad(where, f"{now:.0%} of numbers {what}", f"{then:.0%} as in training, or some", remedy)


def expm1(x: Any) -> Any:
    """exp(x) - 1 of every value, float64; sparse stays sparse."""
    if not sp.issparse(x):
        return np.expm1(np.asarray(x, dtype=np.float64))
    x = x.tocsr()
    return sp.csr_matrix((np.expm1(x.data.astype(np.float64)), x.indices, x.indptr), shape=x.shape)


def totals(x: Any, counted: Sequence[float] | None = None) -> np.ndarray:
    """Sum of each row (n,) in float64, of all columns or with weights `counted` (features,) of 0 and 1."""
    if counted is not None:
        return np.asarray(x @ counted, dtype=np.float64).ravel()
    return np.asarray(x.sum(1, dtype=np.float64)).ravel()
