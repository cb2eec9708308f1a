"""`gde compare`: the settings that differ between runs, and their metrics with the better one marked."""

from typing import Any

from gde.cli.shown import arrow, better_first, interval, ordered
from gde.runs.table import Run, flat

BETTER = "*"
READING = (
    f"{BETTER}: better than every other run, its 95 % interval beside all others'. Intervals are of the same held-out "
    "sets, not of seeds: a grid over seeds tells whether another training would say the same."
)


def settings_table(runs: list[Run]) -> list[dict[str, Any]]:
    """Settings in which runs differ, one column per run. The store and the code are settings here: runs may differ in
    nothing else."""
    columns = [dict(flat(r.config)) | {"store": r.record["store"][:8], "code": r.record["code"][:8]} for r in runs]
    rows = []
    for key in dict.fromkeys(k for c in columns for k in c):
        values = [c.get(key, "-") for c in columns]
        if any(v != values[0] for v in values):
            rows.append({"": key} | {r.id: v for r, v in zip(runs, values, strict=True)})
    return rows


def metrics_table(runs: list[Run]) -> list[dict[str, Any]]:
    """All metrics of runs with intervals, one column per run, and in the last what they say of each other."""
    names = dict.fromkeys(name for run in runs if run.metrics for name in ordered(run))
    rows = []
    for name in names:
        found = {r.id: r.metrics["metrics"][name] for r in runs if r.metrics and name in r.metrics["metrics"]}
        best, said = verdict(found)
        cells = {r.id: interval(found[r.id]) + (BETTER if r.id == best else "") if r.id in found else "-" for r in runs}
        rows.append({"metric": f"{name} {arrow(next(iter(found.values())))}"} | cells | {"better": said})
    return rows


def verdict(found: dict[str, dict[str, Any]]) -> tuple[str | None, str]:
    """The run that is better than every other beyond the intervals, None if there is none, and that in words.

    found : run -> record of one metric; which direction is better stands in the record.
    """
    if len(found) < 2:
        return None, ""
    one = next(iter(found.values()))
    first, *others = better_first(one, {run: m["value"] for run, m in found.items()})
    if any(m["ci"] is None for m in found.values()):
        return None, "no interval, not to be told"
    if all(apart(found[first], found[other]) for other in others):
        return first, first
    return None, "no difference beyond the intervals"


def apart(a: dict[str, Any], b: dict[str, Any]) -> bool:
    """Whether the intervals of two values of a metric do not overlap; of distances from its target, where it has
    one."""
    target = a.get("target")
    (low, high), (other_low, other_high) = (m["ci"] if target is None else _distances(*m["ci"], target) for m in (a, b))
    return high < other_low or other_high < low


def _distances(low: float, high: float, target: float) -> tuple[float, float]:
    """The smallest and the largest distance of an interval from a value."""
    ends = sorted((abs(low - target), abs(high - target)))
    return (0.0 if low <= target <= high else ends[0]), ends[1]
