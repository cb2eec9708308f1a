"""Counts of what became of the records of a file: why those were left out that were, and what was mended in others."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

log = logging.getLogger(__name__)


class Tally:
    """records : how many there were.   dropped, mended : reason -> how many, all reasons of the given ones.

    A reason's number is its place among the reasons for leaving out.
    """

    def __init__(self, dropped: Mapping[str, str], mended: Mapping[str, str]):
        """Reasons with what the log says of each."""
        self._words = {**dropped, **mended}
        self.records = 0
        self.dropped, self.mended = dict.fromkeys(dropped, 0), dict.fromkeys(mended, 0)
        self.reasons = list(dropped)
        self._first: dict[str, str] = {}

    def drop(self, reason: str, count: int = 1) -> None:
        self.dropped[reason] += int(count)

    def example(self, reason: str, what: str) -> None:
        """The first record of a reason, for messages."""
        self._first.setdefault(reason, what)

    def _said(self, reason: str) -> str:
        first = f" (the first: {self._first[reason]})" if reason in self._first else ""
        return f"{self._words[reason]}{first}"

    def sieve(self, reasons: Sequence[tuple[str, np.ndarray]], m: int) -> np.ndarray:
        """Places of those of m records to which no reason applies; the others count for the first one that does.

        reasons : name, and the records to which it applies (m,) bool.
        """
        kept = np.ones(m, bool)
        for reason, applies in reasons:
            self.drop(reason, np.count_nonzero(kept & applies))
            kept &= ~applies
        return np.flatnonzero(kept)

    def drop_numbers(self, numbers: np.ndarray) -> None:
        """Count reasons by their numbers (m,)."""
        for reason, count in zip(self.reasons, np.bincount(numbers, minlength=len(self.reasons)), strict=True):
            self.dropped[reason] += int(count)

    def mend(self, what: str, count: int = 1) -> None:
        self.mended[what] += int(count)

    @property
    def kept(self) -> int:
        return self.records - sum(self.dropped.values())

    def listed(self) -> str:
        """Those reasons that there were, in words."""
        return ", ".join(f"{n} {self._said(reason)}" for reason, n in self.dropped.items() if n) or "none left out"

    def tell(self, path: Path) -> None:
        """A line of the log for the file, and one for each reason that there was."""
        log.info("%s: %d records, %d left out", path, self.records, self.records - self.kept)
        for reason, count in (self.dropped | self.mended).items():
            if count:
                log.info("  %d %s: %s", count, "left out" if reason in self.dropped else "kept", self._said(reason))

    def meta(self) -> dict:
        """For meta.json."""
        return {"records": self.records, "kept": self.kept, "dropped": self.dropped, "mended": self.mended}
