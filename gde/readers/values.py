"""Checks of numbers as they are read: what a file holds must be what the configuration says it holds."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

from gde.errors import GdeError, bad
from gde.readers.totals import row_totals, spread

# log1p of 10,000 counts per 10,000 is 9.2; other bases and targets stay far below this, counts and TPM far above.
MAX_LOG = 50.0
MIN_NORMALISED = 9.22
LINEAR = ("counts", "fractional_counts", "normalised")  # values whose sums mean something
# Totals of cells that were made equal, and of some thousands of their genes, differ less than twofold between the 5th
# and the 95th percentile; those of counts five- to tenfold.
MOST_SPREAD = 4.0


def rounding(x: np.ndarray) -> np.ndarray:
    """How far counts x may be from whole numbers where float32 rounded them, e.g. taken back from their logarithm."""
    return np.clip(1e-5 * np.abs(x), 1e-3, 0.1)


class ValueCheck:
    """Checks chunks of a matrix of `values` counts, fractional_counts, normalised, lognorm or scaled; errors name row
    and column.

    rounded : the largest distance of a count from a whole number, all of them rounding errors.
    """

    def __init__(self, where: object, values: str, row_names: Sequence[str], column_names: Sequence[str]):
        self.where, self.values = where, values
        self.row_names, self.column_names = row_names, column_names
        self.fractional = False
        self.any = False
        self.largest = 0.0
        self.rounded = 0.0
        self.totals: list[np.ndarray] = []

    def add(self, start: int, x: Any) -> None:
        """Check x (n, d), CSR or dense, whose first row is row `start` of the file; GdeError at the first fault."""
        data = x.data if sp.issparse(x) else x
        if data.size == 0:
            return
        if not np.isfinite(data).all():
            raise self._error(
                x, start, ~np.isfinite(data), "a finite number", "remove or impute it, then write the file again"
            )
        if self.values == "scaled":
            return
        if data.min() < 0:
            remedy = (
                "give the layer with raw counts" if self.values == "counts" else "set values: scaled for centred data"
            )
            raise self._error(x, start, data < 0, f"no negative number with values: {self.values}", remedy)
        apart = np.abs(data - np.rint(data))
        if self.values == "counts":
            self._check_whole(start, x, apart)
        if self.values == "lognorm" and data.max() > MAX_LOG:
            remedy = "set values: counts if these are counts, or apply log1p"
            raise self._error(x, start, data > MAX_LOG, f"at most {MAX_LOG:g} with values: lognorm", remedy)
        if self.values == "normalised":
            self.totals.append(row_totals(x))
        if self.values == "lognorm" and not self.any:
            self._check_logarithm(x)
        self.fractional |= bool(apart.any())
        self.any |= bool(data.any())
        self.largest = max(self.largest, float(data.max()))

    def _check_whole(self, start: int, x: Any, apart: np.ndarray) -> None:
        if not apart.any():
            return
        wrong = apart > rounding(x.data if sp.issparse(x) else x)
        if wrong.any():
            remedy = (
                "set values: fractional_counts if these are estimates or corrected counts (alevin-fry, SoupX), values: "
                "lognorm if they are log-normalised, values: normalised if only their totals were made equal, or give "
                "the layer with raw counts"
            )
            raise self._error(x, start, wrong, "whole numbers with values: counts", remedy)
        self.rounded = max(self.rounded, float(apart.max()))

    def _check_logarithm(self, x: Any) -> None:
        """GdeError for the first rows of what is called log-normalised when they are logarithms of counts as they
        were."""
        data = np.expm1((x.data if sp.issparse(x) else x).astype(np.float64))
        whole = (np.abs(data - np.rint(data)) <= rounding(data)).all()
        if whole and data.any() and spread(row_totals(x, np.expm1)) > 1.01:
            remedy = "give the counts with values: counts, or take these as they are with values: scaled"
            expected = "log-normalised values (values: lognorm), of totals made equal"
            raise bad(self.where, "log1p of whole numbers whose totals differ", expected, remedy)

    def finish(self) -> None:
        """After the last chunk. Raises GdeError when normalised values turn out to be whole numbers throughout, to have
        no value that only a logarithm keeps so low, or totals that nobody made equal."""
        words = {"lognorm": "log-normalised values (values: lognorm)", "normalised": "fractions (values: normalised)"}
        if self.values in words and self.any and not self.fractional:
            raise bad(self.where, "only whole numbers", words[self.values], "set values: counts")
        if self.values == "normalised" and self.any and self.largest < MIN_NORMALISED:
            found, expected = f"no value above {self.largest:.3g}", "counts per 10,000 or so (values: normalised)"
            raise bad(self.where, found, expected, "set values: lognorm if their logarithm has been taken")

        if self.totals and (times := spread(np.concatenate(self.totals))) > MOST_SPREAD:
            found = f"totals that differ {times:.2g}-fold between the 5th and the 95th percentile of rows"
            expected = "totals that were made equal (values: normalised)"
            remedy = (
                "set values: fractional_counts, which makes them equal; or, of some genes of normalised data, "
                "take log1p and set values: lognorm"
            )
            raise bad(self.where, found, expected, remedy)

    def _error(self, x: Any, start: int, wrong: np.ndarray, expected: str, remedy: str) -> GdeError:
        first = int(np.flatnonzero(wrong.ravel())[0])
        if sp.issparse(x):
            row, column, value = (
                int(np.searchsorted(x.indptr, first, side="right") - 1),
                int(x.indices[first]),
                x.data[first],
            )
        else:
            row, column = divmod(first, x.shape[1])
            value = x[row, column]
        place = f"{self.where}: row {start + row} ({self.row_names[start + row]}), column {self.column_names[column]}"
        short = f"{float(value):g}"
        return bad(place, short if float(short) == value else np.format_float_positional(value), expected, remedy)
