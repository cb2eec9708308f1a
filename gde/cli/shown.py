"""`gde show` on one screen: the metrics of a run first, most important on top, then what made them."""

from textwrap import wrap
from typing import Any

from tabulate import tabulate

from gde.config.evaluations import EVALUATIONS
from gde.runs.card import ORIGIN
from gde.runs.table import Run, flat, steps_so_far

METRICS = 14  # rows of the table
NAME = 34  # characters of a metric
MARKS = 4
WIDE = 100
LEFT_OUT = 3


def screen(run: Run) -> str:
    """Name, state, metrics, main settings and budget of a run: at most 40 lines of 110 columns."""
    record, config = run.record["config"], run.config
    lines = [f"{run.id}: {run.state}, {run.path}"]
    if description := record.get("description"):
        lines.append(short(" ".join(description.split()), WIDE))
    lines += [short(line, WIDE) for line in _budget(run)]
    lines += ["", *(_metrics(run) if run.metrics else [_none(run)]), ""]
    model = {key: config[key] for key in ("encoder", "generator", "objective")}
    for name, part in {"data": config["dataset"], **model, "training": config["training"]}.items():
        told = wrap(f"{name:10} {_words(part)}", WIDE, subsequent_indent=" " * 11)
        rows = 2 if name in ("data", "training") else 1
        lines += told[: rows - 1] + ([short(" ".join(told[rows - 1 :]), WIDE)] if told[rows - 1 :] else [])
    lines.append(f"--all: all settings and provenance; --json: the same for a program; seed {config['seed']}")
    return "\n".join(lines)


def short(text: str, width: int) -> str:
    """Text that is cut where it is longer than `width`."""
    return text if len(text) <= width else text[: width - 2].rstrip(" ,;") + " …"


def _budget(run: Run) -> list[str]:
    """Steps, time and hardware."""
    steps = run.config["training"]["steps"]
    if run.model is None:
        return [f"trained {steps_so_far(run.path)} of {steps} steps"]
    budget, origin = run.model["budget"], ORIGIN[run.model["data"]].partition(" (")[0]
    made = run.model["provenance"]["environment"]
    return [
        f"trained {budget['steps']} steps (best {budget['best_step']}), {budget['samples_seen']:,} samples, in "
        f"{budget['seconds']:.0f} s on {run.model['hardware']}; gde {made['gde']}",
        f"embedding of length {run.config['latent_dim']}; data: {origin}",
    ]


def _none(run: Run) -> str:
    name = run.record["experiment"]
    return f"no metrics yet: run `snakemake results/{name}/metrics.json`"


def ordered(run: Run) -> list[str]:
    """The names of a run's metrics: those that its evaluation puts first, then the others as it wrote them.

    A run does not say how it was evaluated: by what its metrics are mostly of."""
    metrics = run.metrics["metrics"]
    kind = max(EVALUATIONS.values(), key=lambda kind: len(set(kind.metrics) & set(metrics)))
    return list(dict.fromkeys([name for name in kind.key if name in metrics] + list(metrics)))


def interval(metric: dict[str, Any]) -> str:
    """The value of a metric and its interval."""
    value = f"{metric['value']:.3g}"
    return value if metric["ci"] is None else f"{value} [{metric['ci'][0]:.2g}, {metric['ci'][1]:.2g}]"


def arrow(metric: dict[str, Any]) -> str:
    """Which direction of a metric is better."""
    target = metric.get("target")
    return f"→ {target:.3g}" if target is not None else "↑" if metric["higher_is_better"] else "↓"


def better_first(metric: dict[str, Any], values: dict[str, float]) -> list[str]:
    """Names of values of a metric, the best first."""
    target = metric.get("target")
    if target is not None:
        return sorted(values, key=lambda name: abs(values[name] - target))
    return sorted(values, key=values.__getitem__, reverse=bool(metric["higher_is_better"]))


def _metrics(run: Run) -> list[str]:
    """A table of metrics; below it what makes some mean less than they seem to, and what was left out."""
    metrics, names = run.metrics["metrics"], ordered(run)
    marks: dict[str, str] = {}
    rows = []
    for name in names[:METRICS]:
        m = metrics[name]
        best = better_first(m, m["baselines"])
        told = ", ".join(f"{b.replace('_', ' ')} {m['baselines'][b]:.3g}" for b in best[:1])
        more = f" +{len(best) - 1}" if len(best) > 1 else ""
        letters = [marks.setdefault(mark, "abcdefghijklmnop"[min(len(marks), 15)]) for mark in m.get("marks") or ()]
        rows.append(
            {
                "metric": f"{short(name, NAME)} {arrow(m)}",
                "value, 95 % interval": interval(m),
                "n": m["n"],
                "best baseline": short(told, 18) + more,
                "chance": "" if m["chance"] is None else f"{m['chance']:.3g}",
                "ceiling": "" if m["ceiling"] is None else f"{m['ceiling']:.3g}",
                "": ",".join(letters),
            }
        )
    lines = tabulate(rows, headers="keys", tablefmt="simple", disable_numparse=True).splitlines()
    lines += [short(f"{letter}: {mark}", WIDE) for mark, letter in list(marks.items())[:MARKS]]
    if len(names) > METRICS:
        lines.append(f"and {len(names) - METRICS} more metrics")
    left = run.metrics.get("left_out") or []
    lines += [short(f"left out: {one['what']}: {one['why']}", WIDE) for one in left[:LEFT_OUT]]
    if len(left) > LEFT_OUT:
        lines.append(f"and {len(left) - LEFT_OUT} more left out")
    return lines


def _words(part: dict[str, Any]) -> str:
    """Settings on one line, the kind first, without those that say nothing."""
    told = {key: value for key, value in flat(part) if value is not None and value != [] and key != "kind"}
    return f"{part.get('kind', '')} {', '.join(f'{key} {value}' for key, value in told.items())}".strip()
