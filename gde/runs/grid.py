"""The summary of a grid: one table of what every cell and every control scored, and at which cost."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gde.errors import bad
from gde.files.io import atomic_write, read_json, verify_file, write_file_sum
from gde.files.seals import read_sealed_json, write_sealed_json

SAME = 1e-6  # relative difference below which cells agree on a control
BUDGET = ("steps", "seconds", "samples_seen")
COLUMNS = ("value", "ci_low", "ci_high", "n", "better", "protocol", "data", *BUDGET, "hardware", "run", "marks")
REFERENCES = ("chance", "ceiling", "published")
Row = dict[str, Any]


def summarise(
    cells: list[dict[str, str]],
    metrics: list[Path],
    models: list[Path],
    out: Path,
    *,
    published: dict[str, dict[str, float]],
) -> None:
    """Write the table of a grid: metric, source, one column for each axis, COLUMNS.

    cells, metrics, models : axis -> label, metrics.json and model directory of each cell.
    published : metric -> {label on the one axis beside seed: number}.

    A row is of source `model`, or of a control: a baseline, `chance`, `ceiling`, `published`. A control on which all
    cells of one data set and seed agree has one row, with no label on the other axes. ci is the interval over the
    held-out sets of one cell (`over_seeds` gives the one over seeds); `better` is higher, lower, or the best value.
    Steps, seconds and samples are those of the training; marks, with "; " between, what makes a cell's value mean less
    than it seems to (`gde.evaluate.shared.marks`).
    """
    rows: list[Row] = []
    controls: list[Row] = []
    for labels, file, model in zip(cells, metrics, models, strict=True):
        verify_file(model / "config.json")
        report, hardware = read_sealed_json(file), read_json(model / "config.json")["hardware"]
        budget = {key: report["budget"][key] for key in BUDGET} | {"hardware": hardware, "run": report["run"]}
        for metric, m in report["metrics"].items():
            about = {"metric": metric, **labels, "better": better(m), "protocol": m["protocol"], "data": report["data"]}
            low, high = m["ci"] or ("", "")
            told = {"marks": "; ".join(m["marks"])}
            own = {"source": "model", "value": m["value"], "ci_low": low, "ci_high": high, "n": m["n"]}
            rows.append(about | own | budget | told)
            values = m["baselines"] | {key: m[key] for key in REFERENCES if m[key] is not None}
            if metric in published:
                values.pop("published", None)
            controls += (about | {"source": source, "value": value} for source, value in values.items())
    axes = list(cells[0])
    table = rows + merged(controls, axes) + curves(published, rows, axes)
    order = list(dict.fromkeys(row["metric"] for row in rows))
    table.sort(key=lambda row: order.index(row["metric"]))
    with atomic_write(out) as f:
        writer = csv.DictWriter(
            f, ["metric", "source", *axes, *COLUMNS], restval="", delimiter="\t", lineterminator="\n"
        )
        writer.writeheader()
        writer.writerows({k: f"{v:.7g}" if isinstance(v, float) else v for k, v in row.items()} for row in table)
    write_file_sum(out)


def write_provenance(
    cells: list[dict[str, str]], metrics: list[Path], out: Path, *, published: dict[str, dict[str, float]]
) -> None:
    """Write the record of where a summary came from; arguments as of `summarise`. Its inputs are the cells' metrics by
    label, but for timings and host."""
    from gde.definitions.digest import code_digest
    from gde.runs.canonical import canonical_digest
    from gde.runs.code_digest import SUMMARY
    from gde.runs.provenance import provenance

    inputs = {
        "/".join(f"{axis}~{label}" for axis, label in labels.items()): canonical_digest(file)
        for labels, file in zip(cells, metrics, strict=True)
    }
    seeds = sorted({read_json(file)["seed"] for file in metrics})
    settings = {"cells": cells, "published": published}
    write_sealed_json(out, provenance(settings, code=code_digest(SUMMARY), seeds=seeds, inputs=inputs))


def better(metric: dict[str, Any]) -> str | float:
    """What is good: `higher`, `lower`, or the value that is best."""
    if metric["target"] is not None:
        return metric["target"]
    return "higher" if metric["higher_is_better"] else "lower"


def merged(controls: list[Row], axes: list[str]) -> list[Row]:
    """One row for all cells that agree on a control, by data set and seed; the rows as they are where they do not."""
    shared = [axis for axis in axes if axis == "seed" or axis.partition(".")[0] == "dataset"]
    groups: dict[tuple, list[Row]] = {}
    for row in controls:
        groups.setdefault((row["metric"], row["source"], *(row[axis] for axis in shared)), []).append(row)
    out = []
    for rows in groups.values():
        values = [row["value"] for row in rows]
        if max(values) - min(values) > SAME * max(map(abs, values)):
            out += rows
        else:
            out.append({k: v for k, v in rows[0].items() if k in shared or k not in axes})
    return out


def curves(published: dict[str, dict[str, float]], rows: list[Row], axes: list[str]) -> list[Row]:
    """The published curves as rows. GdeError for a metric that no cell has."""
    out = []
    for metric, curve in published.items():
        like = next((row for row in rows if row["metric"] == metric), None)
        if like is None:
            raise bad(f"published: {metric}", "no cell with this metric", "a metric of the evaluation", "remove it")
        (axis,) = (axis for axis in axes if axis != "seed")
        about = {key: like[key] for key in ("metric", "better")} | {"source": "published"}
        out += (about | {axis: label, "value": float(value)} for label, value in curve.items())
    return out


def read_summary(path: Path) -> tuple[pd.DataFrame, list[str]]:
    """A summary and its axes; everything is text but `value`. GdeError for a file that is not one."""
    remedy = f"make it again with `snakemake -f {path}`"
    verify_file(path, remedy)
    try:
        table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    except FileNotFoundError as e:
        raise bad(path, "no such file", "the summary of a grid", remedy) from e
    except (ValueError, pd.errors.ParserError) as e:
        raise bad(path, f"an unreadable table ({e})", "tab-separated values", remedy) from e
    if missing := [c for c in ("metric", "source", *COLUMNS) if c not in table]:
        raise bad(path, f"no column {missing[0]!r}", "the summary of a grid", remedy)
    values = pd.to_numeric(table["value"], errors="coerce")
    wrong = values.isna() | np.isinf(values)
    if wrong.any():
        row = int(wrong.to_numpy().argmax())
        raise bad(f"{path}: row {row + 1}", f"{table['value'].iloc[row]!r} as value", "a finite number", remedy)
    table["value"] = values
    return table, [c for c in table if c not in ("metric", "source", *COLUMNS)]


def over_seeds(values: np.ndarray) -> tuple[float, float | None]:
    """Mean of one value per seed, (s,), and half of its 95 % t interval; None for a single seed."""
    from scipy.special import stdtrit

    values = np.asarray(values, dtype=float)
    n = len(values)
    if n < 2:
        return float(values.mean()), None
    return float(values.mean()), float(stdtrit(n - 1, 0.975) * values.std(ddof=1) / np.sqrt(n))
