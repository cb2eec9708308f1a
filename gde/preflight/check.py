"""Check: before it costs anything: what a run of the workflow would download, train and ask for, and what would stop
it."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gde.cluster import slurm
from gde.config import find_all, run_id
from gde.config.messages import unknown
from gde.definitions.digest import code_digest
from gde.errors import GdeError
from gde.files.product import CONFIG, product_file
from gde.preflight import obstacles as preflight
from gde.preflight.columns import misfits
from gde.preflight.costs import disk, free, memory, most_hours, shape, time_limits
from gde.preflight.obstacles import readable
from gde.preflight.pace import Pace
from gde.runs.code_digest import training_roots
from gde.runs.sizes import expected
from gde.runs.table import Run, flat, read_run
from gde.sets.store.layout import store_digest

PREDICTED = {"predict": "predictions.h5ad"}  # where the objective is to predict perturbations
JOBS = {"train": "model", "embed": "embeddings.h5ad", "sample": "samples.*", "evaluate": "metrics.json"}
CLUSTER = Path("profiles/slurm")


@dataclass
class Report:
    """What `gde check` prints.

    trainings : a row per experiment or cell: what would be trained, why, the minutes and the memory it takes.
    downloads : a row per file that is fetched.   costs : what is asked for -> how much.   problems : all that is wrong.
    """

    trainings: list[dict[str, Any]] = field(default_factory=list)
    downloads: list[dict[str, Any]] = field(default_factory=list)
    costs: dict[str, str] = field(default_factory=dict)
    problems: list[GdeError] = field(default_factory=list)


def check(
    root: Path, results: Path, names: Sequence[str] = (), *, grid: str | None = None, profile: Path | None = None
) -> Report:
    """Look at `names` (default: those of config/config.yaml), or at the cells of `grid`; nothing is written.

    profile : the Snakemake profile that would be used. GdeError for an unknown name, and without a configuration.
    """
    found = find_all(None, root, [product_file(CONFIG, root)])
    out = Report(problems=list(found.problems))
    experiments, stores = choose(found, root, names, grid)
    runs, damaged = readable_runs(results)
    out.problems += damaged
    pace = Pace()
    for name, resolved in dict(experiments).items():
        sets = results / "sets" / stores[name]
        try:
            experiments[name] = expected(resolved, sets)
            out.trainings.append(training(name, experiments[name], sets, runs, results, pace))
        except GdeError as e:
            out.problems.append(e)
    profile_settings, wrong = preflight.profile_settings(profile)
    out.problems += [*wrong, *preflight.missing_files(experiments, root)]
    out.problems += misfits(experiments, {name: results / "sets" / stores[name] for name in experiments})
    rows, wrong = fetched(experiments.values(), root)
    out.downloads, out.problems = rows, out.problems + [w for w in wrong if str(w) not in map(str, out.problems)]

    sizes = disk_asked(experiments, stores, results, out.trainings)
    if grid is not None:  # cells are measured, not exported
        sizes.pop("embeddings and samples", None)
    out.costs |= disk_costs(sizes, rows, results)
    out.costs |= time_costs(out.trainings)
    if slurm.installed() or profile_settings.get("executor") == "slurm":
        predicts = {name for name, own in experiments.items() if own["objective"]["kind"] == "perturbation"}
        out.costs |= gpu_costs(
            out.trainings, found.settings, root, results, profile_settings, predicts, whole=grid is not None
        )
    asked = [(results, sum(v or 0 for v in sizes.values())), (root / "resources", sum(r["bytes"] or 0 for r in rows))]
    cluster = profile_settings.get("executor") == "slurm"
    out.problems += preflight.unwritable(results)
    out.problems += preflight.too_full(asked)
    out.problems += preflight.no_gpu(found.settings["accelerator"], cluster=cluster)
    return out


def choose(found: Any, root: Path, names: Sequence[str], grid: str | None) -> tuple[dict[str, dict], dict[str, str]]:
    """The experiments to look at, resolved, and the name of each one's set store; broken ones are left out."""
    if grid is not None:
        known = found.settings["grids"]
        if grid not in known:
            raise unknown("config/config.yaml", "grids", grid, known)
        cells = found.grids[grid].cells if grid in found.grids else {}
        return {path: cell.resolved for path, cell in cells.items()}, {path: cell.store for path, cell in cells.items()}
    from gde.config import experiment_names

    for name in names:
        if name not in found.experiments and name not in (known := experiment_names(root)):
            raise unknown("gde check", "experiment", name, known)
    chosen = [n for n in dict.fromkeys(names or found.settings["experiments"]) if n in found.experiments]
    return {name: found.experiments[name] for name in chosen}, {name: name for name in chosen}


def readable_runs(results: Path) -> tuple[list[Run], list[GdeError]]:
    """The runs below results/runs, oldest first, and what is wrong with damaged ones."""
    runs, problems = [], []
    for file in sorted((results / "runs").glob("*/run.json"), key=lambda f: f.stat().st_mtime):
        try:
            runs.append(read_run(file.parent))
        except GdeError as e:
            problems.append(e)
    return runs, problems


def training(
    name: str, resolved: dict, sets: Path, runs: list[Run], results: Path, pace: Callable[..., float | None]
) -> dict[str, Any]:
    """Whether an experiment would train, why, the minutes that takes at the pace of its newest finished run, or else at
    that of this machine (`gde.preflight.pace`), and the memory, about; empty where nothing is known."""
    code, resolved = code_digest(training_roots(resolved)), known_weights(resolved)
    earlier = [r for r in runs if r.record["experiment"] == name]

    def row(action: str, why: str, steps: int) -> dict[str, Any]:
        seconds = 0.0 if steps == 0 else estimate(earlier, steps)
        if seconds is None:
            seconds = pace(resolved, shape(resolved, sets)[1], steps)
        size = memory(resolved, sets) if steps else 0
        return {
            "experiment": name,
            "action": action,
            "why": why,
            "minutes": "" if seconds is None else float(f"{seconds / 60:.3g}"),
            "memory": "" if size is None else readable(float(f"{size:.2g}")),
        }

    steps = resolved["training"]["steps"]
    if not (sets / "SHA256SUMS").is_file():
        return row("prepare and train", "no set store yet", steps)
    store = store_digest(sets)
    run = run_id(resolved, store, code)
    same = next((r for r in earlier if r.id == run), None)
    if same is not None and same.model is not None:
        action = "nothing" if same.current else "publish again"
        return row(action, f"{run} is finished", 0)
    done = max((int(p.name[5:]) for p in (results / "runs" / run / "checkpoints").glob("step-*")), default=0)
    action = f"continue from step {done}" if done else "train"
    return row(action, reason(earlier, resolved, store, code), steps - done)


def known_weights(resolved: dict[str, Any]) -> dict[str, Any]:
    """The settings with the digests of published weights, as a run has them; as they are before these were fetched."""
    from gde.fetch.published_models import PARTS, with_digests

    named = [resolved[part].get("weights") for part in PARTS]
    return with_digests(resolved) if all(Path(path).exists() for path in named if path) else resolved


def estimate(earlier: list[Run], steps: int) -> float | None:
    """Seconds for `steps` at the pace of the newest finished run; None when there is none."""
    budgets = [r.model["budget"] for r in earlier if r.model is not None]
    return budgets[-1]["seconds"] / budgets[-1]["steps"] * steps if budgets else None


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


def fetched(experiments: Iterable[dict[str, Any]], root: Path) -> tuple[list[dict[str, Any]], list[GdeError]]:
    """One row per file that would be downloaded (`gde.fetch.required_files.downloads`), each once, and what is
    wrong."""
    from gde.fetch.required_files import downloads

    rows: dict[str, dict[str, Any]] = {}
    problems = []
    for resolved in experiments:
        try:
            for row in downloads(resolved, root):
                if not row["present"] and row["access"] == "open":
                    rows[row["file"]] = row
        except GdeError as e:
            problems.append(e)
    return list(rows.values()), problems


def disk_asked(
    experiments: dict[str, dict], stores: dict[str, str], results: Path, trainings: list[dict[str, Any]]
) -> dict[str, int | None]:
    """Bytes by purpose, summed over experiments; None where nothing is known of any of them.

    A store that several share counts once; an experiment that is finished asks for nothing.
    """
    actions = {row["experiment"]: row["action"] for row in trainings}
    total: dict[str, int | None] = {}
    seen = set()
    for name, resolved in experiments.items():
        action = actions.get(name, "nothing")
        if action in ("nothing", "publish again"):
            continue
        for purpose, size in disk(resolved, results / "sets" / stores[name], trains=True).items():
            if purpose == "set store" and stores[name] in seen:
                continue
            total[purpose] = (total.get(purpose) or 0) + size if size is not None else total.get(purpose)
        seen.add(stores[name])
    return total


def disk_costs(sizes: dict[str, int | None], downloads: list[dict], results: Path) -> dict[str, str]:
    """What is asked of the disk, in words."""
    known = [row["bytes"] for row in downloads if row["bytes"] is not None]
    unknown_sizes = len(downloads) - len(known)
    more = f" and {unknown_sizes} files of unknown size" if unknown_sizes else ""
    out = {"downloads": readable(sum(known)) + more}
    for purpose, size in sizes.items():
        out[f"{purpose} (estimated)"] = "unknown before the data are read" if size is None else readable(size)
    total = sum(known) + sum(v or 0 for v in sizes.values())
    return out | {"disk in all (estimated)": readable(total), f"free at {results}": readable(free(results))}


def time_costs(trainings: list[dict]) -> dict[str, str]:
    """Minutes of all trainings, in words."""
    todo = [row for row in trainings if row["action"] not in ("nothing", "publish again")]
    known = [row["minutes"] for row in todo if row["minutes"] != ""]
    words = [f"{sum(known):.3g}"] if known or not todo else []
    words += [f"unknown for {len(todo) - len(known)}"] if len(known) < len(todo) else []
    return {"minutes of training (estimated; on a core of this machine)": " + ".join(words)}


def gpu_costs(
    trainings: list[dict],
    settings: dict,
    root: Path,
    results: Path,
    profile: dict[str, Any],
    predicts: Collection[str],
    *,
    whole: bool,
) -> dict[str, str]:
    """Hours on GPUs that a cluster may charge at most, which is the time limits of all jobs, in all their attempts.

    predicts : experiments that predict perturbations.   whole : cells of a grid, one job each.
    """
    if settings["accelerator"] == "cpu":
        return {"GPU hours": "none (accelerator: cpu)"}
    gpus = settings.get("gpus", 1)
    limits = time_limits(root)
    if "retries" not in profile and (cluster := product_file(CLUSTER, root)).is_dir():
        profile = preflight.profile_settings(cluster)[0]
    attempts = 1 + int(profile.get("retries", 0))
    most: list[float | None] = []
    for row in trainings:
        retrain = row["action"] != "nothing"
        jobs = JOBS | (PREDICTED if row["experiment"] in predicts else {})
        for rule, output in {"cell": "metrics.json"}.items() if whole else jobs.items():
            if retrain or not any((results / row["experiment"]).glob(output)):
                hours = most_hours(rule, limits, attempts)
                most.append(hours and hours * (gpus if rule in ("train", "cell") else 1))
    bound = "unknown" if None in most else f"{sum(most):.4g}"
    return {
        "GPU hours charged at most": f"{bound} (time limits of {len(most)} jobs, {attempts} attempts each)",
    }
