"""An epidemic whose lineages grow out of each other, travel and replace each other: spikes with a known truth."""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd

LENGTH = 1273
SITE = 614  # of the reference's D, counted from 1; the first lineage to sweep has a G there
RESIDUES = "ACDEFGHIKLMNPQRSTVWY"
DAY_0 = date(2019, 12, 1)
COUNTRIES = (
    "China", "Italy", "USA", "United Kingdom", "Brazil", "India", "South Africa", "Japan", "Australia", "Côte d'Ivoire",
    "Germany", "Peru",
)  # fmt: skip
DELAY = 45.0  # days, at most, until a lineage is in every country
FIRST_SHARE = 0.02  # of a lineage where it arrives


@dataclass
class Epidemic:
    """What was simulated.

    reference : the first protein, LENGTH residues.   lineages : name, parent, born (day), growth (per 30 days, above
    the first one's), mutations ('D614G', those of the parent included).   share (countries, months, lineages) : of each
    month's infections, at the middle of the month.   records : country, day (since December 1st, 2019), month
    ('2019-12'), lineage, protein (without the stop), one row for each virus that was read.
    """

    reference: str
    countries: list[str]
    months: list[str]
    lineages: pd.DataFrame
    share: np.ndarray
    records: pd.DataFrame

    def frequency(self, mutation: str) -> pd.Series:
        """Share of a mutation among the records of each month."""
        site, residue = int(mutation[1:-1]) - 1, mutation[-1]
        return (self.records["protein"].str[site] == residue).groupby(self.records["month"]).mean()


def simulate_epidemic(
    *,
    months: int = 24,
    countries: int = 12,
    per_key: float = 20.0,
    lineages: int = 6,
    private: float = 0.4,
    seed: int = 0,
) -> Epidemic:
    """An epidemic of `months` from December 2019 on. A lineage is born in one country every few months, with a few
    mutations more than its parent, grows faster and reaches the others within DELAY days.

    per_key : records of a country in a month, on average; some countries have a tenth of it.   private : mutations that
    a record has beside those of its lineage.
    """
    rng = np.random.default_rng(seed)
    reference = _reference(rng)
    starts = [_add_months(m) for m in range(months + 1)]
    days = np.array([(s - DAY_0).days for s in starts])
    table = _lineages(reference, lineages, months, countries, days, rng)
    arrival = table["born"].to_numpy()[:, None] + rng.uniform(5, DELAY, (lineages, countries))
    arrival[np.arange(lineages), table["at"]] = table["born"]
    arrival[0] = 0.0
    growth = table["growth"].to_numpy()[:, None]
    first = np.where(growth > 0, np.log(FIRST_SHARE), 0.0)

    def shares(country: np.ndarray, day: np.ndarray) -> np.ndarray:
        since = (day - arrival[:, country]) / 30.0  # (lineages, n)
        weight = np.where(since >= 0, growth * since + first, -np.inf)
        weight = np.exp(weight - weight.max(0))
        return (weight / weight.sum(0)).T

    large = np.where(np.arange(countries) % 4 == 3, 0.1, 1.0)
    middle = (days[:-1] + days[1:]) / 2
    grid = shares(np.repeat(np.arange(countries), months), np.tile(middle, countries)).reshape(countries, months, -1)
    size = rng.poisson(per_key * large[:, None], (countries, months))
    country, month = (i.repeat(size.ravel()) for i in np.divmod(np.arange(size.size), months))
    day = rng.integers(days[month], days[month + 1])
    cumulative = shares(country, day.astype(float)).cumsum(1)
    lineage = np.minimum((cumulative < rng.random(len(day))[:, None]).sum(1), lineages - 1)
    records = pd.DataFrame(
        {
            "country": np.array(COUNTRIES[:countries], object)[country],
            "day": day,
            "month": [starts[m].strftime("%Y-%m") for m in month],
            "lineage": table["name"].to_numpy()[lineage],
            "protein": _proteins(reference, table, lineage, private, rng),
        }
    )
    records = records.iloc[rng.permutation(len(records))].reset_index(drop=True)
    names = [s.strftime("%Y-%m") for s in starts[:-1]]
    return Epidemic(reference, list(COUNTRIES[:countries]), names, table.drop(columns="at"), grid, records)


def _add_months(m: int) -> date:
    return date(DAY_0.year + (DAY_0.month - 1 + m) // 12, (DAY_0.month - 1 + m) % 12 + 1, 1)


def _reference(rng: np.random.Generator) -> str:
    residues = rng.choice(list(RESIDUES), LENGTH)
    residues[0], residues[SITE - 1] = "M", "D"
    return "".join(residues)


def _lineages(reference, count, months, countries, days, rng) -> pd.DataFrame:
    born = np.concatenate([[0.0], np.linspace(days[1], days[max(2, months - 5)], count - 1)]) if count > 1 else [0.0]
    used, rows = {0, SITE - 1}, []
    for i in range(count):
        parent = None if i == 0 else max(0, i - 1 - int(rng.integers(0, 2)))
        new = ["D614G"] if i == 1 else []
        while i and len(new) < 5:
            site = int(rng.integers(1, LENGTH))
            residue = RESIDUES[rng.integers(len(RESIDUES))]
            if site not in used and residue != reference[site]:
                used.add(site)
                new.append(f"{reference[site]}{site + 1}{residue}")
        rows.append(
            {
                "name": f"L{i}",
                "parent": None if parent is None else f"L{parent}",
                "born": float(born[i]),
                "growth": 1.3 * i,
                "mutations": ([] if parent is None else rows[parent]["mutations"]) + new,
                "at": 0 if i == 0 else int(rng.integers(countries)),
            }
        )
    # The second lineage's mutation stays: later ones descend from it, as those of the real epidemic do
    if count > 2 and rows[2]["parent"] == "L0":
        rows[2]["mutations"] = rows[1]["mutations"][:1] + rows[2]["mutations"]
    return pd.DataFrame(rows)


def _proteins(reference: str, table: pd.DataFrame, lineage: np.ndarray, private: float, rng) -> list[str]:
    base = np.tile(np.frombuffer(reference.encode(), np.uint8), (len(table), 1))
    taken = np.zeros(LENGTH, bool)
    taken[0] = True
    for i, mutations in enumerate(table["mutations"]):
        for mutation in mutations:
            base[i, int(mutation[1:-1]) - 1] = ord(mutation[-1])
            taken[int(mutation[1:-1]) - 1] = True
    free, residues = np.flatnonzero(~taken), np.frombuffer(RESIDUES.encode(), np.uint8)
    out = []
    for number, extra in zip(lineage, rng.poisson(private, len(lineage)), strict=True):
        row = base[number]
        if extra:
            row = row.copy()
            row[rng.choice(free, extra)] = rng.choice(residues, extra)
        out.append(row.tobytes().decode())
    return out


def day_of(day: int) -> date:
    return DAY_0 + timedelta(days=int(day))
