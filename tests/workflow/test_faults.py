"""What the workflow does with bad files, with a second Snakemake, and with jobs and Snakemake killed in the middle."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tiny
from copies import SMOKE, copy_project

from gde.runs.verify import canonical_digests

pytestmark = pytest.mark.workflow

# A training of seconds with many checkpoints. One thread: two that share a busy core wait for each other.
QUICK = (
    "normal={dataset: {test_sets: 4, validation_sets: 2}, encoder: {hidden: 8, layers: 1}, generator: {hidden: 8}, "
    "training: {steps: 200, n_sets: 8, set_size: 16, torch_threads: 1, validate_every: 100, checkpoint_every: 10, "
    "log_every: 10, tensorboard: false}}"
)
MODEL = ("results/normal/model", *SMOKE, QUICK)


def test_bad_files_are_told_in_one_line_each_and_leave_nothing(project, snakemake):
    """In the job's log and on stderr; with --keep-going each experiment tells its own."""
    cells = tiny.cells()
    cells.write_h5ad(project / "cells.h5ad")
    cells[(cells.obs["donor"] == "D00") & (cells.obs["cell_type"] == "T")].write_h5ad(project / "one.h5ad")
    data = (project / "cells.h5ad").read_bytes()
    (project / "cut.h5ad").write_bytes(data[: len(data) // 2])
    expected = {
        "truncated": ("cut.h5ad", "donor", "gde: cut.h5ad: found a truncated file"),
        "column": ("cells.h5ad", "doner", "gde: cells.h5ad: obs: found no 'doner', expected one of cell_type, donor; "
                   "did you mean 'donor'?"),
        "single": ("one.h5ad", "donor", "gde: dataset.split.by: group: found only one value ('D00'), expected at "
                   "least 4"),
    }  # fmt: skip
    for name, (file, column, _) in expected.items():
        text = f"dataset:\n  kind: h5ad\n  path: {file}\n  groupby: [{column}]\n  split: {{by: group}}\n"
        (project / f"config/experiments/{name}.yaml").write_text(text)
    done = snakemake(project, "--keep-going", *(f"results/sets/{name}" for name in expected), *SMOKE)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    for name, (_, _, start) in expected.items():
        (line,) = (project / f"results/logs/prepare/{name}.log").read_text().splitlines()
        assert line.startswith(start)
        assert line in done.stderr.splitlines()
    assert not list(project.glob("results/sets/*"))


def test_a_mistake_is_not_tried_again(project, snakemake):
    """Of its user: `retries` are for jobs that lost their node, time or memory."""
    (project / "cells.h5ad").write_bytes(b"no such file")
    (project / "config/experiments/mine.yaml").write_text("dataset: {kind: h5ad, path: cells.h5ad, groupby: [donor]}\n")
    done = snakemake(project, "results/sets/mine", "--retries", "2", *SMOKE)
    said = done.stdout + done.stderr
    assert done.returncode == 1 and "gde: cells.h5ad: found" in said
    assert "Trying to restart job" not in said


def test_a_directory_of_ones_own_and_a_faulty_file_in_it(project, tmp_path, snakemake):
    """Product files come from the product; the faulty experiment is named where it is asked for, others run."""
    own = tmp_path / "own"
    (own / "config/experiments").mkdir(parents=True)
    tiny.cells().write_h5ad(own / "cells.h5ad")
    (own / "config/config.yaml").write_text("experiments: [mine]\n")
    data = "{kind: h5ad, path: cells.h5ad, groupby: [donor], n_hvg: null, n_pcs: 5}"
    (own / "config/experiments/mine.yaml").write_text(f"dataset: {data}\n")
    (own / "config/experiments/faulty.yaml").write_text("dataset: {kind: h5ed}\n")
    product = ("-s", "workflow/Snakefile", "--directory", "own")
    done = snakemake(project, *product, "results/sets/mine", *SMOKE)
    assert done.returncode == 0, done.stderr
    assert (own / "results/sets/mine/SHA256SUMS").is_file() and not (project / "results").exists()
    for target, told in {
        "results/faulty/metrics.json": "gde: config/experiments/faulty.yaml:1: dataset.kind: found 'h5ed'",
        "results/sets/faulty": "gde: config/experiments/faulty.yaml:1: dataset.kind: found 'h5ed'",
        "results/mnie/metrics.json": "did you mean results/mine/metrics.json?",
        "results/gmm/metrisc.json": "did you mean results/gmm/metrics.json?",  # shipped
        "mein": "did you mean results/mine/metrics.json?",
    }.items():
        done = snakemake(project, *product, "-n", target, *SMOKE)
        (line,) = [line for line in done.stderr.splitlines() if line.startswith("gde: ")]
        assert done.returncode == 2 and told in line, done.stderr


class Job:
    """Snakemake in the background, and the training that it started."""

    def __init__(self, root: Path, environment: dict[str, str]):
        self.root = root
        self.known = set(self.checkpoints())
        command = [sys.executable, "-m", "snakemake", *MODEL]
        self.output = (root / "output").open("w")
        self.snakemake = subprocess.Popen(
            command, cwd=root, env=environment, stdout=self.output, stderr=subprocess.STDOUT, start_new_session=True
        )
        self.training = None

    def checkpoints(self) -> list[Path]:
        return sorted(self.root.glob("results/runs/normal-*/checkpoints/step-*/SHA256SUMS"))

    def pause_training(self) -> None:
        """Wait for a new checkpoint and stop the training there, alive and holding its lock."""
        until = time.monotonic() + 120
        while not set(self.checkpoints()) - self.known:
            assert self.snakemake.poll() is None, self.said()
            assert time.monotonic() < until, self.said()
            time.sleep(0.005)
        (lock,) = self.root.glob("results/runs/normal-*/lock")
        self.training = int(re.match(r"process (\d+) on", lock.read_text())[1])
        os.kill(self.training, signal.SIGSTOP)
        assert not self.finished()

    def signal_training(self, number: int) -> None:
        os.kill(self.training, number)
        os.kill(self.training, signal.SIGCONT)

    def wait_for_training(self) -> None:
        """Until the process is gone, or a zombie that nobody waits for."""
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                if Path(f"/proc/{self.training}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                    return
            except (FileNotFoundError, ProcessLookupError):
                return
            time.sleep(0.02)
        raise AssertionError("the training did not end")

    def finished(self) -> bool:
        return (self.root / "results/normal/model").exists()

    def said(self) -> str:
        return (self.root / "output").read_text()

    def end(self) -> None:
        """Whatever the test came to, nothing of it stays alive."""
        for process in filter(None, (self.training, self.snakemake.pid)):
            if Path(f"/proc/{process}").exists():
                os.kill(process, signal.SIGKILL)
        self.snakemake.wait()
        self.output.close()


@pytest.fixture
def start(environment):
    """start(project): Snakemake in the background, ended with the test."""
    jobs = []

    def start(root: Path) -> Job:
        jobs.append(Job(root, environment))
        return jobs[-1]

    yield start
    for job in jobs:
        job.end()


def test_interrupted_in_every_way_and_still_the_same_results(project, tmp_path_factory, snakemake, start):
    """Two Snakemakes, SIGTERM to the training, SIGKILL to Snakemake, SIGKILL to the training that outlives it: whatever
    happens on the way, the model is the one of a run that nothing disturbed."""
    log = project / "results/logs/train/normal.log"

    job = start(project)
    job.pause_training()
    second = snakemake(project, *MODEL)
    assert second.returncode == 2
    assert f"results: found a Snakemake at work (process {job.snakemake.pid} on " in second.stderr
    assert "Traceback" not in second.stderr
    job.signal_training(signal.SIGTERM)
    assert job.snakemake.wait(60) == 1
    assert re.search(r"SIGTERM: checkpoint written at step \d+; run again to continue", log.read_text())
    assert not job.finished()

    job = start(project)
    job.pause_training()
    assert re.search(r"resumed at step \d+ of 200", log.read_text())
    job.snakemake.kill()
    job.snakemake.wait()
    orphan = snakemake(project, *MODEL)
    assert orphan.returncode == 2
    assert f"jobs of an earlier Snakemake alive: process {job.training} on this machine (train.py" in orphan.stderr
    insists = snakemake(project, "--nolock", *MODEL)
    assert insists.returncode == 1
    assert f"found a job in progress that writes it (process {job.training} on " in insists.stderr
    assert not job.finished()
    job.signal_training(signal.SIGKILL)
    job.wait_for_training()
    unlock = subprocess.run(
        [sys.executable, "-m", "gde.cli", "jobs", "cancel"], cwd=project, capture_output=True, text=True, timeout=60
    )
    assert unlock.stdout.startswith("0 jobs ended; the directory is unlocked"), unlock.stderr

    done = snakemake(project, *MODEL)
    assert done.returncode == 0, done.stderr
    assert re.search(r"resumed at step \d+ of 200", log.read_text())
    assert len(list(project.glob("results/runs/*"))) == 1

    undisturbed = copy_project(tmp_path_factory.mktemp("undisturbed"))
    done = snakemake(undisturbed, *MODEL)
    assert done.returncode == 0, done.stderr
    digests = canonical_digests(project / "results/normal")
    assert set(digests) == {"model/config.json", "model/model.safetensors"}
    assert digests == canonical_digests(undisturbed / "results/normal")
