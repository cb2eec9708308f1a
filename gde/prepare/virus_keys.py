"""When and where a virus was collected: dates and countries of millions of records as numbers, each spelling once."""

import re
from datetime import date

import numpy as np

DAY_0 = date(2019, 12, 1)
EPOCH = np.datetime64(DAY_0)
WHOLE = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})")
PARTIAL = re.compile(r"\d{4}(-(\d{1,2}|XX)(-(\d{1,2}|XX))?)?", re.I)
NOWHERE = ("", "?", "unknown", "na", "n/a", "none", "null")
MONTHS = 1 << 12  # more than there are from the first one to the year 2300
PART_OF_DATE, NO_DATE, NO_COUNTRY = "date_partial", "date_wrong", "country"
DROPPED = {
    PART_OF_DATE: "with a date without its day or month",
    NO_DATE: "without a date from December 2019 on",
    NO_COUNTRY: "without a country",
}


def text_of(name: bytes) -> str:
    """Text in UTF-8, or else in Latin-1; blanks at the ends and several together taken out."""
    try:
        text = name.decode()
    except UnicodeDecodeError:
        text = name.decode("latin-1")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


class Days:
    """Days since December 1st, 2019, of dates as they are written; each spelling is read once."""

    def __init__(self):
        self._known: dict[bytes, int | str] = {}

    def __call__(self, written: bytes) -> int | str:
        """The day, or the reason why there is none: PART_OF_DATE, NO_DATE."""
        if (day := self._known.get(written)) is None:
            if len(self._known) > 1 << 16:  # a damaged file has a new one in each record
                self._known.clear()
            day = self._known[written] = self._read(written.decode("latin-1").strip())
        return day

    @staticmethod
    def _read(text: str) -> int | str:
        if whole := WHOLE.fullmatch(text):
            year, month, day = map(int, whole.groups())
            if day == 0 or month == 0:
                return PART_OF_DATE
            try:
                days = (date(year, month, day) - DAY_0).days
            except ValueError:
                return NO_DATE
            return days if 0 <= days and year < 2300 else NO_DATE
        return PART_OF_DATE if PARTIAL.fullmatch(text) else NO_DATE


class Countries:
    """Numbers of countries in the order in which they come; `names` has them."""

    def __init__(self):
        self.names: list[str] = []
        self._known: dict[bytes, int] = {}
        self._numbers: dict[str, int] = {}

    def __call__(self, written: bytes) -> int:
        """The number; -1 where there is no country."""
        if (number := self._known.get(written)) is None:
            name = text_of(written).replace("|", "/")
            number = -1 if name.lower() in NOWHERE else self._numbers.setdefault(name, len(self._numbers))
            self._known[written] = number
            if number == len(self.names):
                self.names.append(name)
        return number


def months_of(day: np.ndarray) -> np.ndarray:
    """Months since December 2019 (m,) int64 of days (m,)."""
    return ((EPOCH + day.astype("m8[D]")).astype("M8[M]") - EPOCH.astype("M8[M]")).astype(np.int64)


def month_name(month: int) -> str:
    """0 -> '2019-12'."""
    return str(EPOCH.astype("M8[M]") + np.timedelta64(int(month), "M"))
