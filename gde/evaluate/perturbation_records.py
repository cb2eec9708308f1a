"""Records of one protocol's held-out perturbations, all sources judged by the same scores."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from gde.evaluate.effect_scores import discrimination, mse, pearson2, r2, recall, reliability, slope
from gde.evaluate.effects import Effects
from gde.evaluate.metrics import bootstrap, record

NOT_BASELINES = ("model", "generated")


@dataclass(frozen=True)
class Sources:
    """Predicted shifts (t, d) by source, `model` first; energy distances, a row per group and a column per source;
    cells generated for each group (n, d)."""

    shifts: dict[str, np.ndarray]
    energies: pd.DataFrame
    cells: list[np.ndarray]


def records(
    protocol: str,
    effects: Effects,
    sources: Sources,
    genes: Callable[[np.ndarray], np.ndarray],
    names: list[str] | None,
    sd: dict[str, np.ndarray],
    options: dict[str, Any],
    rng: np.random.Generator,
) -> tuple[dict[str, dict], pd.DataFrame]:
    """Metrics `<protocol>/...`, and each group's scores. Intervals resample conditions.

    Ceilings come from split halves of the cells: what noise-free shifts would score on the shifts of all cells for
    pearson2 (reliability), r2 and mse (a quarter of the squared difference of halves is noise); for de_recall and
    discrimination one half predicts the other, which is less than a perfect model would reach.
    """
    truth, unmatched = genes(effects.shift), genes(effects.unmatched)
    first, second = genes(effects.half[0]), genes(effects.half[1])
    predicted = {name: genes(shift) for name, shift in sources.shifts.items()}
    noise = np.square(first - second) / 4
    total = np.square(truth - truth.mean(1, keepdims=True)).sum(1)
    tops = {
        name: np.concatenate(
            [recall(p[i : i + 1], truth[i : i + 1], sd[c], options["top"]) for i, c in enumerate(effects.context)]
        )
        for name, p in predicted.items()
    }
    half_tops = [
        recall(first[i : i + 1], second[i : i + 1], sd[c], options["top"])[0] for i, c in enumerate(effects.context)
    ]
    genes_n = truth.shape[1]
    scores: dict[str, tuple[dict[str, np.ndarray], bool, float | None, float | None]] = {
        "pearson2": (
            {n: pearson2(p, truth) for n, p in predicted.items()}, True, 0.0, reliability(first, second).mean(),
        ),
        "r2": (
            {n: r2(p, truth) for n, p in predicted.items()}, True, 0.0,
            float((1 - noise.sum(1) / np.maximum(total, 1e-12)).mean()),
        ),
        "mse": ({n: mse(p, truth) for n, p in predicted.items()}, False, None, float(noise.mean())),
        "pearson2_unmatched": ({n: pearson2(p, unmatched) for n, p in predicted.items()}, True, 0.0, None),
        "r2_unmatched": ({n: r2(p, unmatched) for n, p in predicted.items()}, True, 0.0, None),
        "de_recall": (tops, True, min(options["top"], genes_n) / genes_n, float(np.mean(half_tops))),
    }  # fmt: skip
    energies = {name: sources.energies[name].to_numpy(dtype=float) for name in sources.energies}
    ceiling = energies.pop("ceiling", np.array([np.nan]))
    scores["e_distance"] = (energies, False, None, _mean(ceiling))
    ranks = {n: discrimination(p, truth, effects.context) for n, p in predicted.items()}
    if not np.isnan(ranks["model"]).all():
        scores["discrimination"] = (ranks, True, 0.5, _mean(discrimination(first, second, effects.context)))
    metrics = {}
    for name, (values, higher, chance, ceiling) in scores.items():
        metrics[f"{protocol}/{name}"] = _record(values, effects.condition, higher, chance, ceiling, options, rng)
    made = {"model": pearson2(predicted["generated"], truth)}
    made |= {n: v for n, v in scores["pearson2"][0].items() if n not in NOT_BASELINES}
    metrics[f"{protocol}/pearson2_generated"] = _record(
        made, effects.condition, True, 0.0, metrics[f"{protocol}/pearson2"]["ceiling"], options, rng
    )
    moving = {n: p for n, p in predicted.items() if np.abs(p).max() > 0 and n not in NOT_BASELINES}
    metrics[f"{protocol}/calibration"] = record(
        slope(predicted["model"], truth),
        n=len(truth),
        target=1.0,
        ci=_interval(lambda i: slope(predicted["model"][i], truth[i]), effects.condition, options, rng),
        baselines={n: slope(p, truth) for n, p in moving.items()},
        ceiling=1.0,
    )
    own = own_gene(effects, names)
    if len(own):
        at = (own[:, 0], own[:, 1])
        metrics[f"{protocol}/target_gene"] = record(
            predicted["model"][at].mean(),
            n=len(own),
            target=truth[at].mean(),
            baselines={n: p[at].mean() for n, p in predicted.items() if n not in NOT_BASELINES},
            chance=0.0,
        )
    table = pd.DataFrame({name: values["model"] for name, (values, *_) in scores.items()})
    baseline = {f"pearson2_{n}": v for n, v in scores["pearson2"][0].items() if n not in NOT_BASELINES}
    return metrics, table.assign(**baseline)


def own_gene(effects: Effects, names: list[str] | None) -> np.ndarray:
    """Pairs (k, 2): group, and the place of the gene that is perturbed in it, where it is among those measured."""
    place = {name: i for i, name in enumerate(names or ())}
    found = [(i, place[c]) for i, c in enumerate(effects.condition) if c in place]
    return np.array(found, dtype=int).reshape(-1, 2)


def _mean(values: np.ndarray) -> float | None:
    """Mean of those that are known, None where none is."""
    return float(np.nanmean(values)) if np.isfinite(values).any() else None


def _record(values: dict[str, np.ndarray], condition: np.ndarray, higher: bool, chance, ceiling, options, rng) -> dict:
    kept = np.isfinite(values["model"])
    own = values["model"][kept]
    return record(
        own.mean(),
        n=len(own),
        higher_is_better=higher,
        ci=_interval(lambda i: own[i].mean(), condition[kept], options, rng),
        baselines={n: v[kept].mean() for n, v in values.items() if n not in NOT_BASELINES},
        chance=chance,
        ceiling=ceiling,
    )


def _interval(
    statistic: Callable[[np.ndarray], float], condition: np.ndarray, options: dict, rng
) -> tuple[float, float]:
    """Bootstrap over conditions: one that was tested in several contexts is drawn with all of them."""
    names = condition.astype(str)
    members = [np.flatnonzero(names == c) for c in np.unique(names)]
    return bootstrap(
        lambda i: statistic(np.concatenate([members[k] for k in i])), len(members), rng, repeats=options["bootstrap"]
    )
