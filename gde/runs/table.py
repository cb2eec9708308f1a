"""Table of runs: looking at runs: find them by name or hash, list them, show one, compare several."""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from gde.config import training_slice
from gde.config.messages import nearest
from gde.errors import bad
from gde.files.io import read_json, verify_file
from gde.files.seals import read_sealed_json


@dataclass(frozen=True)
class Run:
    """One directory of results/runs: its identity, and what is known of it so far."""

    path: Path
    record: dict[str, Any]
    model: dict[str, Any] | None
    metrics: dict[str, Any] | None
    current: bool

    @property
    def id(self) -> str:
        return self.record["run"]

    @property
    def config(self) -> dict[str, Any]:
        """The part of the resolved experiment the weights depend on."""
        return training_slice(self.record["config"])

    @property
    def state(self) -> str:
        """`current` (published), `finished` or `unfinished`."""
        return "unfinished" if self.model is None else "current" if self.current else "finished"


def read_run(path: Path) -> Run:
    """Read one run. Raises GdeError naming a missing or damaged file."""
    record = read_sealed_json(path / "run.json", remedy=f"delete {path} and train again")
    model = metrics = None
    if (path / "model").is_dir():
        verify_file(path / "model" / "config.json", f"delete {path / 'model'} and train again")
        model = read_json(path / "model" / "config.json")
    if (path / "metrics.json").is_file():
        metrics = read_sealed_json(path / "metrics.json", remedy="delete it; the rule evaluate writes it")
    published = path.parents[1] / record["experiment"] / "model" / "config.json"
    if published.is_file():
        verify_file(published, f"make it again with `snakemake --force {published.parent}`")
    current = published.is_file() and read_json(published)["run"] == record["run"]
    return Run(path, record, model, metrics, current)


def all_runs(results: Path) -> list[Run]:
    """Every run below results/runs, by name, oldest first."""
    paths = sorted(p.parent for p in (results / "runs").glob("*/run.json"))
    paths.sort(key=lambda p: (p.name.rpartition("-")[0], (p / "run.json").stat().st_mtime))
    return [read_run(p) for p in paths]


def find_run(results: Path, word: str) -> Run:
    """The run called `word`: an id, a hash, or an experiment (its current run, else its newest).

    Raises GdeError listing the runs there are, or those that a short hash could mean.
    """
    runs = all_runs(results)
    of_experiment = [r for r in runs if r.record["experiment"] == word]
    if of_experiment:
        return next((r for r in of_experiment if r.current), of_experiment[-1])
    matches = [r for r in runs if r.id == word or r.id.rpartition("-")[2].startswith(word)]
    if len(matches) == 1:
        return matches[0]
    known = ", ".join(r.id for r in matches or runs) or "none: train an experiment first"
    found = "several" if matches else "no such run"
    names = [name for r in runs for name in (r.record["experiment"], r.id, f"results/{r.record['experiment']}/model")]
    close = None if matches else nearest(word, names)
    meant = f"did you mean {close!r}? " if close else ""
    raise bad(f"run {word!r}", found, "an experiment, run id or hash", f"{meant}there are {known}")


def flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves of nested dicts as (dotted key, value)."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def has_param(run: Run, condition: str) -> bool:
    """Whether a run's config has `key=value`; key is dotted or the last part of a dotted key."""
    key, separator, value = condition.partition("=")
    if not separator:
        raise bad(f"--param {condition}", "no '='", "key=value", "write e.g. --param latent_dim=64")
    wanted = [value, yaml.safe_load(value)]
    with suppress(ValueError):
        wanted.append(float(value))  # 5e-3 is text in YAML 1.1
    leaves = dict(flat(run.config))
    found = [v for k, v in leaves.items() if k == key or k.endswith(f".{key}")]
    return any(w in found for w in wanted)


def list_table(results: Path, name_contains: str = "", params: list[str] | None = None) -> list[dict[str, Any]]:
    """One row per run whose name and parameters match."""
    rows = []
    for run in all_runs(results):
        if name_contains in run.record["experiment"] and all(has_param(run, p) for p in params or []):
            budget = (run.model or {}).get("budget") or {"steps": steps_so_far(run.path)}
            config = run.config
            rows.append(
                {
                    "run": run.id,
                    "state": run.state,
                    "encoder": config["encoder"]["kind"],
                    "generator": config["generator"]["kind"],
                    "latent_dim": config["latent_dim"],
                    "seed": config["seed"],
                    "steps": f"{budget['steps']}/{config['training']['steps']}",
                    "seconds": budget.get("seconds", ""),
                }
            )
    return rows


def steps_so_far(run: Path) -> int:
    """Steps of an unfinished run: the last one that its log tells of, or that a checkpoint holds."""
    numbers = [path.name.removeprefix("step-") for path in (run / "checkpoints").glob("step-*")]
    steps = [int(number) for number in numbers if number.isdecimal()]
    log = run / "log.jsonl"
    for line in log.read_text(errors="replace").splitlines() if log.is_file() else []:
        with suppress(json.JSONDecodeError, KeyError, TypeError, ValueError):  # a line that a kill cut
            steps.append(int(json.loads(line)["step"]))
    return max(steps, default=0)


def show(run: Run) -> dict[str, Any]:
    """Everything known of a run, for printing."""
    out = {"run": run.id, "state": run.state, "path": str(run.path)}
    if run.model is None:
        out["steps"] = steps_so_far(run.path)
    else:
        out |= {key: run.model[key] for key in ("budget", "hardware", "data")}
        out["provenance"] = {"model": run.model["provenance"]}
    if run.metrics is not None:
        out["metrics"] = run.metrics["metrics"]
        left: dict[str, list[str]] = {}
        for one in run.metrics.get("left_out", ()):
            left.setdefault(one["what"], []).append(one["why"])
        if left:
            out["left_out"] = {what: "; ".join(why) for what, why in left.items()}
        out["provenance"] = out.get("provenance", {}) | {"metrics": run.metrics["provenance"]}
    return out | {"config": run.config}
