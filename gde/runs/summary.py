"""Summary of a run on one screen, and comparison of several with what differs beyond the intervals."""

from collections.abc import Mapping
from math import inf
from typing import Any

from gde.config.evaluations import EVALUATIONS
from gde.config.words import baseline_words
from gde.runs.card import better, number
from gde.runs.table import Run, compare_tables, steps_so_far

LINES = 16  # of metrics: the others are in metrics.json
WIDTH = 100
SETTINGS = ("encoder.kind", "generator.kind", "latent_dim", "objective.kind", "seed")
BUDGET = ("steps", "n_sets", "set_size")
NONE, SAME = "-", "="


def summary(run: Run) -> dict[str, Any]:
    """What fits a screen: `head`, lines on the run; `metrics`, rows of at most LINES metrics, the most telling first;
    `tail`, lines on marks, what was left out, and where the rest is."""
    config, dataset = run.config, run.config["dataset"]
    head = [f"{run.record['experiment']}  {run.id}  {run.state}  ({dataset['kind']})"]
    if run.model is None:
        head.append(f"stopped at step {steps_so_far(run.path)} of {config['training']['steps']}")
    else:
        budget, data = run.model["budget"], run.model["data"]
        head.append(f"{budget['steps']} steps in {budget['seconds']:.0f} s on {run.model['hardware']}; data: {data}")
    flat = {"encoder.kind": config["encoder"]["kind"], "generator.kind": config["generator"]["kind"]}
    flat |= {"objective.kind": config["objective"]["kind"], "latent_dim": config["latent_dim"], "seed": config["seed"]}
    training = (f"{key} {config['training'][key]}" for key in BUDGET)
    head.append(", ".join([*(f"{key.removesuffix('.kind')} {flat[key]}" for key in SETTINGS), *training]))
    if run.metrics is None:
        made = run.record["experiment"]
        return {"head": head, "metrics": [], "tail": [f"no metrics yet: snakemake results/{made}/metrics.json"]}
    metrics = run.metrics["metrics"]
    order = ordered(run)
    rows = [metric_row(name, metrics[name]) for name in order[:LINES]]
    marked = [f"! {name}: {'; '.join(metrics[name]['marks'])}" for name in order if metrics[name].get("marks")]
    left = list(dict.fromkeys(one["what"] for one in run.metrics.get("left_out", ())))
    tail = marked[:4] + ([f"! and {len(marked) - 4} more marks"] if len(marked) > 4 else [])
    if left:
        tail.append(f"left out: {', '.join(left)} (why: --all)")
    more = f"{len(order) - LINES} more metrics, " if len(order) > LINES else ""
    tail.append(f"{more}settings, environment, digests: gde show {run.id} --all")
    return {"head": head, "metrics": rows, "tail": [clipped(line) for line in tail]}


def ordered(run: Run) -> list[str]:
    """The metrics of a run, those that its evaluation calls its key ones first."""
    metrics = (run.metrics or {"metrics": {}})["metrics"]
    kind = run.record["config"].get("evaluation", {}).get("kind")
    key = EVALUATIONS[kind].key if kind in EVALUATIONS else ()
    return [*(name for name in key if name in metrics), *(name for name in metrics if name not in key)]


def metric_row(name: str, m: Mapping[str, Any]) -> dict[str, str]:
    """Value with interval, baselines, chance and ceiling of a metric, as text."""
    interval = "" if m["ci"] is None else f"{m['ci'][0]:.3g} to {m['ci'][1]:.3g}"
    baselines = ", ".join(f"{baseline_words(k)} {v:.3g}" for k, v in list(m["baselines"].items())[:2] if v is not None)
    more = f", +{len(m['baselines']) - 2}" if len(m["baselines"]) > 2 else ""
    good = f"-> {m['target']:g}" if m["target"] is not None else "up" if m["higher_is_better"] else "down"
    return {
        "": "!" if m.get("marks") else "",
        "metric": name,
        "good": good,
        "value": number(m["value"]),
        "95 %": interval,
        "baselines": baselines[:44] + more,
        "chance": number(m["chance"]),
        "ceiling": number(m["ceiling"]),
    }


def clipped(line: str) -> str:
    """A line of at most WIDTH characters."""
    return line if len(line) <= WIDTH else f"{line[: WIDTH - 3]}..."


def comparison(runs: list[Run]) -> tuple[list[dict[str, Any]], list[dict[str, str]], bool]:
    """Settings in which runs differ; rows of metrics, a column for each run with its interval, the best one marked with
    * where its distance to the next exceeds what their intervals allow, else = in the last column; whether any was."""
    settings, _ = compare_tables(runs)
    every = [(run.metrics or {"metrics": {}})["metrics"] for run in runs]
    names = dict.fromkeys(name for run in runs for name in ordered(run))
    rows, any_best = [], False
    for name in names:
        found = [metrics.get(name) for metrics in every]
        best = clear_winner(found)
        any_best |= best is not None
        cells = [shown(m) + (" *" if i == best else "") for i, m in enumerate(found)]
        row = {"metric": name, "good": better(next(m for m in found if m)).removesuffix(" is better")}
        row |= dict(zip((run.id for run in runs), cells, strict=True))
        rows.append(row | {"": SAME if best is None and sum(m is not None for m in found) > 1 else ""})
    return settings, rows, any_best


def shown(m: Mapping[str, Any] | None) -> str:
    """Value and half width of its interval."""
    if m is None:
        return NONE
    half = half_width(m)
    return number(m["value"]) + (f" ±{half:.2g}" if half else "")


def half_width(m: Mapping[str, Any]) -> float:
    """Of the 95 % interval, 0 without one."""
    return 0.0 if m["ci"] is None else (m["ci"][1] - m["ci"][0]) / 2


def clear_winner(found: list[Mapping[str, Any] | None]) -> int | None:
    """Position of the best of some values of one metric, if it is better than each other one by more than the root of
    the squared half widths of both 95 % intervals; None if none is, and where no interval is known."""

    def loss(m: Mapping[str, Any]) -> float:
        if m["target"] is not None:
            return abs(m["value"] - m["target"])
        return -m["value"] if m["higher_is_better"] else m["value"]

    known = [i for i, m in enumerate(found) if m is not None and m["value"] is not None]
    if len(known) < 2 or any(found[i]["ci"] is None for i in known):
        return None
    best = min(known, key=lambda i: loss(found[i]))
    others = [i for i in known if i != best]
    margin = min(
        (loss(found[i]) - loss(found[best]) - (half_width(found[i]) ** 2 + half_width(found[best]) ** 2) ** 0.5
         for i in others), default=inf,
    )  # fmt: skip
    return best if margin > 0 else None
