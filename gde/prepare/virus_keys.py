"""When and where a virus was collected: dates and countries of millions of records as numbers, each spelling once."""

import re
from datetime import date

import numpy as np

from gde.readers.missing import WORDS

DAY_0 = date(2019, 12, 1)
EPOCH = np.datetime64(DAY_0)
WHOLE = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})")
PARTIAL = re.compile(r"\d{4}(-(\d{1,2}|XX)(-(\d{1,2}|XX))?)?", re.I)
NOWHERE = {"", "?", "unknown", "na", "none"} | {word.lower() for word in WORDS}
MONTHS = 1 << 12  # more than there are from the first one to the year 2300
PART_OF_DATE, NO_DATE, NO_COUNTRY = "date_partial", "date_wrong", "country"
NO_DAY = (PART_OF_DATE, NO_DATE)
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


class Days(dict):
    """Days since December 1st, 2019, by dates as they are written; each spelling is read once.

    days[b"2020-03-05"] : the day, or -1 - the place in NO_DAY of the reason why there is none.
    """

    def __missing__(self, written: bytes) -> int:
        if len(self) > 1 << 16:  # a damaged file has a new one in each record
            self.clear()
        day = self[written] = self._read(written.decode("latin-1").strip())
        return day

    @staticmethod
    def _read(text: str) -> int:
        partial, wrong = (-1 - NO_DAY.index(reason) for reason in (PART_OF_DATE, NO_DATE))
        if whole := WHOLE.fullmatch(text):
            year, month, day = map(int, whole.groups())
            if day == 0 or month == 0:
                return partial
            try:
                days = (date(year, month, day) - DAY_0).days
            except ValueError:
                return wrong
            return days if days >= 0 and year < 2300 else wrong
        return partial if PARTIAL.fullmatch(text) else wrong


class Countries(dict):
    """Numbers of countries in the order in which they come, by their names as they are written; `names` has them.

    countries[b"USA"] : the number, -1 where there is no country.
    """

    def __init__(self):
        super().__init__()
        self.names: list[str] = []
        self._numbers: dict[str, int] = {}

    def __missing__(self, written: bytes) -> int:
        name = text_of(written).replace("|", "/")
        number = -1 if name.lower() in NOWHERE else self._numbers.setdefault(name, len(self._numbers))
        if number == len(self.names):
            self.names.append(name)
        self[written] = number
        return number


def months_of(day: np.ndarray) -> np.ndarray:
    """Months since December 2019 (m,) int64 of days (m,)."""
    return ((EPOCH + day.astype("m8[D]")).astype("M8[M]") - EPOCH.astype("M8[M]")).astype(np.int64)


def month_name(month: int) -> str:
    """0 -> '2019-12'."""
    return str(EPOCH.astype("M8[M]") + np.timedelta64(int(month), "M"))
