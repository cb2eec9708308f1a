"""SIGKILL at any moment of a run of the real rules, and the same command again: the results of the undisturbed run."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest
from crash import Worker, small_project

from gde.runs.verify import canonical_digests

SEED = 20
INSTANTS = 20  # random ones over the whole run
POINTS = 30  # write points, spread over all of them
SNAKEMAKE = 4  # kills of a real Snakemake with all its jobs


@pytest.fixture(scope="module")
def worker():
    worker = Worker(OMP_NUM_THREADS="1")
    yield worker
    worker.close()


@pytest.fixture(scope="module")
def undisturbed(worker, tmp_path_factory):
    """A project with its results, their digests, seconds and write points."""
    root = small_project(tmp_path_factory.mktemp("undisturbed"))
    assert worker.run("build", root, report="report.json") == 0, (root / "said").read_text()
    return root, digests(root), json.loads((root / "report.json").read_text())


def digests(root):
    """Canonical digests of store, results, and all that the run keeps."""
    (run,) = root.glob("results/runs/cells-*")
    out = {f"sets/{k}": v for k, v in canonical_digests(root / "results/sets/cells").items()}
    out |= {f"cells/{k}": v for k, v in canonical_digests(root / "results/cells").items()}
    out |= {f"runs/{run.name}/{k}": v for k, v in canonical_digests(run / "model").items()}
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return out | {"log": [{k: v for k, v in line.items() if k != "sets_per_s"} for line in lines]}


@pytest.fixture
def again(undisturbed, tmp_path):
    """A project without results."""
    root = tmp_path / "project"
    shutil.copytree(undisturbed[0], root, ignore=shutil.ignore_patterns("results", "sources.lock.json", "tiny"))
    shutil.copytree(undisturbed[0] / "mirror", root / "mirror", dirs_exist_ok=True)
    return root


def leftovers(root):
    """What no writer would find again: hidden files beside the results, but Snakemake's and the locks."""
    found = [p for part in ("results", "resources") for p in (root / part).rglob(".*")]
    found = [p for p in found if p.name not in (".snakemake_timestamp", ".locks") and ".locks" not in p.parts]
    return [p for p in found if not p.name.startswith(".lock.")]


def killed_and_run_again(worker, root, whole, **where):
    assert worker.run("build", root, **where) == -signal.SIGKILL, (root / "said").read_text()
    assert worker.run("build", root) == 0, (where, (root / "said").read_text())
    assert digests(root) == whole, where
    assert leftovers(root) == [], where


@pytest.mark.parametrize("number", range(INSTANTS))
def test_killed_at_a_random_instant(worker, undisturbed, again, number):
    _, whole, report = undisturbed
    fraction = random.Random(f"{SEED}-{number}").random()
    print(f"instant {number}: {fraction:.4f} of {report['seconds']:.2f} s (seed {SEED})")
    # the clock of a busy machine may be ahead of the run's: then the run is killed earlier, in half the time
    for part in (1, 0.5, 0.25, 0.1):
        if worker.run("build", again, instant=part * fraction * report["seconds"]) == -signal.SIGKILL:
            break
        shutil.rmtree(again / "results")
    else:
        pytest.fail((again / "said").read_text())
    assert worker.run("build", again) == 0, (again / "said").read_text()
    assert digests(again) == whole
    assert leftovers(again) == []


@pytest.mark.parametrize("number", range(POINTS))
def test_killed_at_a_write_point(worker, undisturbed, again, number):
    """Before and after fsyncs, renames and the like, at places over all rules."""
    _, whole, report = undisturbed
    names = report["points"]
    step = len(names) / POINTS
    point = 1 + int(number * step + random.Random(f"{SEED}-{number}").random() * step)
    print(f"write point {point} of {len(names)}: {names[point - 1]} (seed {SEED})")
    killed_and_run_again(worker, again, whole, point=point)


def test_killed_again_and_again(worker, undisturbed, again):
    """Every start is killed a little later than the last: what is finished stays, what is not is made."""
    _, whole, report = undisturbed
    kills, point = 0, 25
    while (status := worker.run("build", again, point=point)) == -signal.SIGKILL:
        kills, point = kills + 1, point + 25
        assert kills < len(report["points"])
    assert status == 0, (again / "said").read_text()
    assert kills >= 5
    assert digests(again) == whole
    assert leftovers(again) == []


def test_snakemake_and_its_jobs_killed(undisturbed, again, tmp_path):
    """The real command, killed with its whole process group at random instants, each time started again."""
    _, whole, _ = undisturbed
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/scontrol").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "bin/scontrol").chmod(0o755)
    keep = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "SNAKEMAKE_PROFILE")}
    path = os.pathsep.join([str(tmp_path / "bin"), os.path.dirname(sys.executable), os.environ["PATH"]])
    keep |= {"PATH": path, "SNAKEMAKE_PROFILE": "profiles/local", "XDG_CACHE_HOME": str(tmp_path / "cache")}
    here = "results/cells"
    targets = [f"{here}/{name}" for name in ("metrics.json", "samples.h5ad", "MODEL_CARD.md")]
    targets += [f"{here}/figures/{name}.svg" for name in ("embedding", "loss")]
    config = ["--config", "preset=smoke", "accelerator=cpu", "mirror=mirror"]
    output = tmp_path / "output"

    def start(*arguments):
        with output.open("a") as f:
            # one core: the last bits of embeddings depend on the number of threads, and the worker has one
            command = [sys.executable, "-m", "snakemake", "--cores", "1", *arguments, *config]
            return subprocess.Popen(command, cwd=again, env=keep, stdout=f, stderr=f, start_new_session=True)

    random_ = random.Random(SEED)
    kills = 0
    while kills < SNAKEMAKE:
        process = start(*targets)
        seen = len(list(again.rglob("results/**/*")))
        while process.poll() is None and len(list(again.rglob("results/**/*"))) <= seen:
            time.sleep(0.02)  # until it writes something: before, there is nothing to break
        time.sleep(random_.uniform(0, 2))
        if process.poll() is not None:
            break
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        kills += 1
        assert start("--unlock", *targets).wait(120) == 0, output.read_text()
    assert start(*targets).wait(300) == 0, output.read_text()
    assert kills >= 2
    assert digests(again) == whole
    assert leftovers(again) == []
