"""Marks: what makes a metric mean less than it seems to, in words that stand beside it wherever it is shown."""

from typing import Any

from gde.errors import many

FEWEST = 5  # sets, groups or pairs below which neither a value nor its interval says much
SAME = 1e-12  # relative difference of what is one number computed twice
GIVEN_TRUTH = ("point_mass", "average_covariance")  # controls that know the true mean: they may pass a ceiling


def few(n: int) -> list[str]:
    """The mark of a value that rests on n independent sets, groups or points; none from FEWEST on."""
    return [f"rests on {many(n, 'independent unit')} only, too few to tell"] if n < FEWEST else []


def marks(metric: dict[str, Any]) -> list[str]:
    """What the numbers of a record say of each other, [] where nothing is amiss.

    A value that a baseline or chance equals: what should make the difference made none. A value that lies beyond its
    ceiling with its whole interval, a baseline or chance that does so by more than half of the interval's width: the
    ceiling, what as many real samples score, has noise that what is smoother lacks, and is no bound. An interval
    without width: every resampling gave the same.
    """
    value, ceiling = metric["value"], metric["ceiling"]
    low, high = metric["ci"] or (value, value)
    others = dict(metric["baselines"])
    if metric["chance"] is not None:
        others["chance"] = metric["chance"]
    found = []
    if equal := [name for name, other in others.items() if same(other, value)]:
        found.append(f"the same as {listed(equal)}")
    if metric["ci"] is not None and metric["n"] > 1 and same(low, high):
        found.append("an interval without width, every resampling gives the same")
    if ceiling is None or metric["target"] is not None:
        return found
    up = 1 if metric["higher_is_better"] else -1
    if metric["ci"] is not None and min(up * (low - ceiling), up * (high - ceiling)) > SAME * abs(ceiling):
        found.append("beyond its ceiling with its whole interval")
    slack = (high - low) / 2 + SAME * abs(ceiling)
    beyond = [name for name, other in others.items() if name not in GIVEN_TRUTH and up * (other - ceiling) > slack]
    if beyond:
        found.append(
            f"{listed(beyond)} beyond the ceiling: real samples score that with their noise, which a smooth guess lacks"
        )
    return found


def same(a: float, b: float) -> bool:
    """Whether two numbers agree in twelve digits."""
    return abs(a - b) <= SAME * max(abs(a), abs(b))


def listed(names: list[str]) -> str:
    """Names of controls as text."""
    return ", ".join(name.replace("_", " ") for name in names)
