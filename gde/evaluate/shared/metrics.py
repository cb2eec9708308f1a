"""Metric record: one metric's record, as it stands in metrics.json, and bootstrap intervals over sets."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from gde.errors import bad
from gde.evaluate.shared.marks import few

LEVEL = 0.95


def record(
    value: float,
    *,
    n: int,
    higher_is_better: bool | None = None,
    target: float | None = None,
    ci: tuple[float, float] | None = None,
    baselines: dict[str, float] | None = None,
    differences: dict[str, dict[str, Any]] | None = None,
    chance: float | None = None,
    ceiling: float | None = None,
    published: float | None = None,
    protocol: str = "strict",
    units: int | None = None,
) -> dict[str, Any]:
    """The JSON form of a metric; every number a Python float.

    n : how many sets, pairs or sub-sets the value is a statistic of.   ci : 95 % interval.
    units : how many of these are independent, such as the groups that sub-sets are of; None = all. Few are marked.
    target : the value to come close to, from either side, where neither higher nor lower is better.
    differences : of baselines, the value minus theirs on the same sets (`value`) with its interval (`ci`).
    ceiling : what a perfect model scores under the same estimator.   protocol : strict | paper_protocol.
    """
    if (higher_is_better is None) == (target is None):
        raise ValueError("record: found both or neither of higher_is_better and target, expected one of them")
    return {
        "value": float(value),
        "ci": None if ci is None else [float(ci[0]), float(ci[1])],
        "n": int(n),
        "higher_is_better": higher_is_better,
        "target": None if target is None else float(target),
        "baselines": {k: float(v) for k, v in (baselines or {}).items()},
        "differences": {
            k: {"value": float(d["value"]), "ci": [float(v) for v in d["ci"]]} for k, d in (differences or {}).items()
        },
        "chance": None if chance is None else float(chance),
        "ceiling": None if ceiling is None else float(ceiling),
        "published": None if published is None else float(published),
        "protocol": protocol,
        "marks": few(int(n if units is None else min(n, units))),
    }


def check(metrics: dict[str, dict]) -> None:
    """GdeError naming the first number that is NaN or infinite: such a metric was not computed."""
    for name, metric in metrics.items():
        numbers = {k: metric[k] for k in ("value", "target", "chance", "ceiling", "published")}
        numbers |= {f"baselines.{k}": v for k, v in metric["baselines"].items()}
        numbers |= {f"ci[{i}]": v for i, v in enumerate(metric["ci"] or ())}
        numbers |= {f"differences.{k}": v for k, d in metric["differences"].items() for v in (d["value"], *d["ci"])}
        for key, value in numbers.items():
            if value is not None and not math.isfinite(value):
                remedy = "the model's samples or embeddings are degenerate: look at the loss curve and train again"
                raise bad(f"{name}.{key}", str(value), "a finite number", remedy)


def bootstrap(
    statistic: Callable[[np.ndarray], float], n: int, rng: np.random.Generator, *, repeats: int = 200
) -> tuple[float, float]:
    """95 % percentile interval of `statistic(indices)` when the n sets are drawn again with replacement.

    Pairs of sets share sets, so pairs are never resampled on their own.
    """
    values = [statistic(rng.integers(n, size=n)) for _ in range(repeats)]
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def centred_bootstrap(
    statistic: Callable[[np.ndarray], float],
    value: float,
    n: int,
    rng: np.random.Generator,
    *,
    repeats: int,
    bounds: tuple[float, float],
) -> tuple[float, float] | None:
    """`bootstrap` of a statistic that noise moves one way, such as a distance or a correlation: sets drawn again have
    the noise twice, so the interval is moved by as much as the mean of the resampled values lies beside `value`.

    bounds : smallest and largest value that the statistic can have.   returns None for fewer than two sets.
    """
    if n < 2:
        return None
    values = np.array([statistic(rng.integers(n, size=n)) for _ in range(repeats)])
    low, high = np.quantile(values - values.mean(), [(1 - LEVEL) / 2, (1 + LEVEL) / 2]) + value
    return float(np.clip(low, *bounds)), float(np.clip(high, *bounds))


def grouped_bootstrap(
    statistic: Callable[[np.ndarray], float], group: np.ndarray, rng: np.random.Generator, *, repeats: int
) -> tuple[float, float]:
    """`bootstrap` of `statistic(indices)` of samples of groups (n,): groups are drawn again, with all their samples."""
    members = [np.flatnonzero(group == g) for g in np.unique(group)]
    return bootstrap(lambda i: statistic(np.concatenate([members[k] for k in i])), len(members), rng, repeats=repeats)


def mean_interval_of_groups(
    values: np.ndarray, group: np.ndarray, rng: np.random.Generator, *, repeats: int
) -> tuple[float, float] | None:
    """`bootstrap` of the mean of values (n,) of samples of groups (n,): groups are drawn again; None of one."""
    _, of = np.unique(group, return_inverse=True)
    total, size = np.bincount(of, values), np.bincount(of)
    if len(size) < 2:
        return None
    return bootstrap(lambda i: total[i].sum() / size[i].sum(), len(size), rng, repeats=repeats)


def mean_interval(values: np.ndarray, rng: np.random.Generator, *, repeats: int = 200) -> tuple[float, float]:
    """`bootstrap` of the mean of one value per set, (n,)."""
    values = np.asarray(values, dtype=float)
    return bootstrap(lambda i: values[i].mean(), len(values), rng, repeats=repeats)


def interval_of_several(
    values: np.ndarray, rng: np.random.Generator, *, repeats: int = 200
) -> tuple[float, float] | None:
    """`mean_interval`; None, and nothing drawn, for fewer than two values."""
    return mean_interval(values, rng, repeats=repeats) if len(values) > 1 else None


def published(resolved: dict[str, Any], metric: str) -> float | None:
    """The published number, only where the resolved config has every value that `requires` names, else None.

    resolved["published"] : metric -> {value, source, requires: {dotted.key: value}}.
    """
    entry = (resolved.get("published") or {}).get(metric)
    if entry is None or any(_get(resolved, key) != value for key, value in (entry["requires"] or {}).items()):
        return None
    return float(entry["value"])


def _get(config: Any, dotted: str) -> Any:
    for key in dotted.split("."):
        if not isinstance(config, dict) or key not in config:
            return None
        config = config[key]
    return config
