"""Checks of numbers as they are read: what a file holds must be what the configuration says it holds."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

from gde.errors import GdeError, bad

# log1p of 10,000 counts per 10,000 is 9.2; other bases and targets stay far below this, counts and TPM far above.
MAX_LOG = 50.0
MIN_NORMALISED = 9.22
LINEAR = ("counts", "normalised")  # values whose sums mean something


class ValueCheck:
    """Checks chunks of a matrix of `values` counts, normalised, lognorm or scaled; errors name row and column."""

    def __init__(self, where: object, values: str, row_names: Sequence[str], column_names: Sequence[str]):
        self.where, self.values = where, values
        self.row_names, self.column_names = row_names, column_names
        self.fractional = False
        self.any = False
        self.largest = 0.0

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
        whole = data == np.rint(data)
        if self.values == "counts" and not whole.all():
            remedy = (
                "set values: lognorm if the data are log-normalised, values: normalised if only their totals were made "
                "equal, or give the layer with raw counts"
            )
            raise self._error(x, start, ~whole, "whole numbers with values: counts", remedy)
        if self.values == "lognorm" and data.max() > MAX_LOG:
            remedy = "set values: counts if these are counts, or apply log1p"
            raise self._error(x, start, data > MAX_LOG, f"at most {MAX_LOG:g} with values: lognorm", remedy)
        self.fractional |= not whole.all()
        self.any |= bool(data.any())
        self.largest = max(self.largest, float(data.max()))

    def finish(self) -> None:
        """After the last chunk. Raises GdeError when normalised values turn out to be whole numbers throughout, or to
        have no value that only a logarithm keeps so low."""
        words = {"lognorm": "log-normalised values (values: lognorm)", "normalised": "fractions (values: normalised)"}
        if self.values in words and self.any and not self.fractional:
            raise bad(self.where, "only whole numbers", words[self.values], "set values: counts")
        if self.values == "normalised" and self.any and self.largest < MIN_NORMALISED:
            found, expected = f"no value above {self.largest:.3g}", "counts per 10,000 or so (values: normalised)"
            raise bad(self.where, found, expected, "set values: lognorm if their logarithm has been taken")

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
        return bad(place, f"{float(value):g}", expected, remedy)
