"""Seconds from a job's start to its first training step, and the peak memory of every kind of job.

python benchmarks/startup.py [--quick] [--experiment gmm] [--preset smoke] [--repeats 3]

Every job is a fresh Python that runs the workflow's own script on the workflow's own settings. The first step counts
as taken when its line is in log.jsonl (written at every step here), so its time includes the step itself. Beside it
stands what importing torch alone takes. Goals: first step within 8 s, at most 1.5 GB in any job.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from gde.config import resolve, training_slice
from gde.config.figures import figures_of

ROOT = Path(__file__).resolve().parents[1]
FIRST_STEP_SECONDS, PEAK_GB = 8.0, 1.5
# What Snakemake puts before a script: an object with the rule's files and parameters.
RUN = """
import json, runpy, sys
from types import SimpleNamespace as Files
class Names(list):
    def __init__(self, named):
        super().__init__(named.values())
        self.__dict__.update(named)
job = json.loads(sys.argv[1])
snakemake = Files(input=Names(job["input"]), output=Names(job["output"]), log=[job["log"]], threads=2,
                  config={"accelerator": "cpu"}, params=Files(settings=job["settings"], description=""),
                  wildcards=Files(**job["wildcards"]))
runpy.run_path(sys.argv[2], init_globals={"snakemake": snakemake})
"""


def jobs(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Script, files and parameters of every rule, as in workflow/rules; paths below the working directory."""
    sets, model, metrics, tables = "results/sets", "results/model", "results/metrics.json", "results/tables"
    embeddings, figure = "results/embeddings.h5ad", figures_of(config)[0]
    data = {"model": model, "sets": sets}
    parts = {
        "prepare": ({}, {"sets": sets}, {k: config[k] for k in ("name", "seed", "dataset")}),
        "train": ({"sets": sets}, {"model": model}, training_slice(config)),
        "embed": (data, {"embeddings": embeddings}, None),
        "sample": ({"model": model, "embeddings": embeddings}, {"samples": "results/samples.h5ad"}, None),
        "evaluate": (data, {"metrics": metrics, "tables": tables}, config),
        "figure": ({"metrics": metrics, "tables": tables}, {"svg": "results/f.svg", "png": "results/f.png"}, None),
        "card": ({"model": model, "metrics": metrics}, {"card": "results/MODEL_CARD.md"}, None),
    }
    return {
        rule: {"input": i, "output": o, "log": f"results/{rule}.log", "settings": s, "wildcards": {"figure": figure}}
        for rule, (i, o, s) in parts.items()
    }


def start(arguments: list[str], directory: Path) -> subprocess.Popen:
    # posix_spawn or vfork: the child's peak memory starts at what it needs, as long as this process stays small
    search = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"PYTHONPATH": search}
    return subprocess.Popen([sys.executable, *arguments], cwd=directory, env=environment, stderr=subprocess.PIPE)


def finish(process: subprocess.Popen, what: str) -> float:
    """Wait; peak resident memory in GB. Exits with the job's messages when it failed."""
    messages = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{what} failed:\n{messages.decode()}")
    return usage.ru_maxrss / 1e6  # kB on Linux


def seconds_to_first_step(process: subprocess.Popen, begun: float, directory: Path) -> float:
    """Seconds until the first line of log.jsonl, looked for every 5 ms."""
    while process.poll() is None:
        for log in (directory / "results/runs").glob("*/log.jsonl"):
            if log.stat().st_size:
                return time.perf_counter() - begun
        time.sleep(0.005)
    return float("nan")


def run_all(config: dict[str, Any]) -> tuple[dict[str, float], dict[str, float], float]:
    """Every job once: wall seconds and peak GB by rule, and seconds to the first step."""
    seconds, peak, first = {}, {}, float("nan")
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        for rule, job in jobs(config).items():
            script = ROOT / "workflow/scripts" / f"{rule}.py"
            begun = time.perf_counter()
            process = start(["-c", RUN, json.dumps(job), str(script)], directory)
            if rule == "train":
                first = seconds_to_first_step(process, begun, directory)
            peak[rule] = finish(process, rule)
            seconds[rule] = time.perf_counter() - begun
    return seconds, peak, first


def import_seconds() -> float:
    """Seconds of a Python that imports torch and ends: what no training can do without."""
    begun = time.perf_counter()
    finish(start(["-c", "import torch"], ROOT), "import torch")
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one repeat")
    parser.add_argument("--experiment", default="gmm")
    parser.add_argument("--preset", default="smoke", choices=["smoke", "laptop", "paper"], help="laptop takes minutes")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    name, over = options.experiment, {"training": {"log_every": 1}}
    head = {"experiments": [name], "preset": options.preset, "seed": 0, "accelerator": "cpu"}
    config = resolve(name, head | {name: over}, ROOT)
    reference, runs = [], []
    for _ in range(1 if options.quick else options.repeats):
        reference.append(import_seconds())
        runs.append(run_all(config))
    first = sorted(run[2] for run in runs)[len(runs) // 2]
    imports = sorted(reference)[len(reference) // 2]
    print(f"{name}, preset {options.preset}, median of {len(runs)}")
    verdict = "met" if first <= FIRST_STEP_SECONDS else "missed"
    print(
        f"first training step after {first:.1f} s (import torch alone: {imports:.1f} s); "
        f"goal <= {FIRST_STEP_SECONDS:.0f}: {verdict}"
    )
    for rule in runs[0][0]:
        seconds = sorted(run[0][rule] for run in runs)[len(runs) // 2]
        peak = max(run[1][rule] for run in runs)
        verdict = "met" if peak <= PEAK_GB else "missed"
        print(f"{rule}: {seconds:.1f} s, peak {peak:.2f} GB; goal <= {PEAK_GB}: {verdict}")


if __name__ == "__main__":
    main()
