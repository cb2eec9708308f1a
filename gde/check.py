"""What a run of the workflow would train, why, and for how long."""

from pathlib import Path
from typing import Any

from gde.config import resolve_all, resolve_grids, run_id, settings
from gde.config.errors import unknown
from gde.digest import code_digest, training_modules
from gde.io import sha256_file
from gde.run_table import Run, all_runs, flat


def check(config: dict[str, Any], root: Path, results: Path, grid: str | None = None) -> list[dict[str, Any]]:
    """One row per experiment of `all`, or per cell of `grid`: whether it would train, the reason, and estimated hours.

    The estimate is the seconds per step of the experiment's newest finished run times the steps that remain.
    """
    files = [root / "config" / "config.yaml"]
    if grid is None:
        chosen, _ = settings(config, root, files)
        resolved = resolve_all(config, root, files)
        stores = {name: name for name in chosen["experiments"]}
    else:
        grids = resolve_grids(config, root, files)
        if grid not in grids:
            raise unknown("config/config.yaml", "grids", grid, grids)
        resolved = {path: cell.resolved for path, cell in grids[grid].cells.items()}
        stores = {path: cell.store for path, cell in grids[grid].cells.items()}
    runs = all_runs(results)
    rows = []
    for name, store_name in stores.items():
        sets, code = results / "sets" / store_name, code_digest(training_modules(resolved[name]))
        earlier = [r for r in runs if r.record["experiment"] == name]
        if not (sets / "SHA256SUMS").is_file():
            rows.append({"experiment": name, "action": "prepare and train", "why": "no set store yet", "hours": ""})
            continue
        store = sha256_file(sets / "SHA256SUMS")
        run = run_id(resolved[name], store, code)
        same = next((r for r in earlier if r.id == run), None)
        if same is not None and same.model is not None:
            action = "nothing" if same.current else "publish again"
            rows.append({"experiment": name, "action": action, "why": f"{run} is finished", "hours": 0.0})
            continue
        done = max((int(p.name[5:]) for p in (results / "runs" / run / "checkpoints").glob("step-*")), default=0)
        action = f"continue from step {done}" if done else "train"
        steps = resolved[name]["training"]["steps"] - done
        hours = estimate(earlier, steps)
        rows.append(
            {"experiment": name, "action": action, "why": reason(earlier, resolved[name], store, code), "hours": hours}
        )
    return rows


def estimate(earlier: list[Run], steps: int) -> float | str:
    """Hours for `steps` at the pace of the newest finished run; empty when there is none."""
    budgets = [r.model["budget"] for r in earlier if r.model is not None]
    return round(budgets[-1]["seconds"] / budgets[-1]["steps"] * steps / 3600, 3) if budgets else ""


def reason(earlier: list[Run], resolved: dict[str, Any], store: str, code: str) -> str:
    """What differs from the current run, or from the newest one."""
    if not earlier:
        return "never trained"
    last = next((r for r in earlier if r.current), earlier[-1])
    now, before = dict(flat(resolved)), dict(flat(last.config))
    changed = [f"{k}: {v} -> {now.get(k)}" for k, v in before.items() if now.get(k) != v]
    changed += ["the data changed"] if store != last.record["store"] else []
    changed += ["the training code changed"] if code != last.record["code"] else []
    return "; ".join(changed) or f"{last.id} is unfinished"


def read_config(root: Path) -> dict[str, Any]:
    """config/config.yaml as the workflow sees it without command-line overrides."""
    from gde.config.load import read_yaml

    return read_yaml(root / "config" / "config.yaml", "config/config.yaml").data
