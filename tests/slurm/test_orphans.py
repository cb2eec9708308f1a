"""Snakemake gets SIGKILL and its job lives on: nothing is written twice, and one command puts things right."""

import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from on_slurm import MODEL, command, resume_with_sigterm, wait_until

from gde.runs.verify import canonical_digests

pytestmark = [pytest.mark.workflow, pytest.mark.slow]


@pytest.fixture
def here(project, environment):
    """here(*words): a Python module as a command in the project."""

    def run(*words: str) -> subprocess.CompletedProcess:
        env = environment | {"PYTHONPATH": str(project)}
        return subprocess.run(
            [sys.executable, "-m", *words], cwd=project, env=env, capture_output=True, text=True, timeout=240
        )

    return run


def queued(root: Path) -> list[str]:
    """Numbers of the live jobs of a project."""
    lines = (line.split() for line in command("squeue", "-h", "-o", "%i %Z").splitlines())
    return [number for number, folder in lines if folder == str(root)]


def test_the_jobs_of_a_killed_snakemake(project, undisturbed, start, here):
    run = start(project, *MODEL)
    training = run.pause_training()
    (job,) = run.submitted()
    run.snakemake.kill()
    run.snakemake.wait()

    # the rerun names the job and the command, and submits nothing
    again = start(project, *MODEL)
    assert again.wait(180) == 2, again.said()
    (line,) = [line for line in again.said().splitlines() if line.startswith("gde: ")]
    job_found = rf"Slurm job {job} \(rule_train_wildcards_normal, RUNNING on gpu[12], of \w+ since \S+\)"
    remedy = "expected none.*; run `gde jobs cancel`, which keeps checkpoints"
    assert re.search(f"results: found jobs of an earlier Snakemake alive: {job_found}, {remedy}", line)
    assert "Traceback" not in again.said()
    assert queued(project) == [job]
    assert not again.submitted()

    # so does one on this machine; a look does no harm
    local = here("snakemake", "--profile", "profiles/local", *MODEL)
    assert local.returncode == 2
    assert f"Slurm job {job} " in local.stderr
    assert here("snakemake", "-n", "--cores", "1", *MODEL).returncode == 0
    listed = here("gde.cli", "jobs")
    assert re.search(rf"^ *{job} +rule_train_wildcards_normal +RUNNING +gpu[12] ", listed.stdout, re.M)

    # who insists is stopped by the lock of the output
    insists = here("snakemake", "--profile", "profiles/local", "--nolock", *MODEL)
    assert insists.returncode == 1
    found = rf"gde: results/normal/model: found a job in progress that writes it \(process {training} on .*job {job}, "
    assert re.search(found, insists.stderr)

    # one command, and the next run finishes
    with ThreadPoolExecutor(1) as pool:
        cancelling = pool.submit(here, "gde.cli", "jobs", "cancel")
        resume_with_sigterm(training, 60, run)
        cancelled = cancelling.result()
    assert cancelled.returncode == 0, cancelled.stderr
    assert cancelled.stdout.startswith("1 job ended")
    assert queued(project) == []
    assert set(run.checkpoints()) - run.known  # of the step that SIGTERM came in; --nolock made away with its log
    last = start(project, *MODEL)
    assert last.wait() == 0, last.said()
    assert re.search(r"resumed at step \d+ of 300", last.log())
    assert canonical_digests(project / "results/normal") == undisturbed
    assert not any("rule_prepare" in r.said() for r in (again, last))


def test_two_snakemakes_at_once(project, undisturbed, start, here):
    """The second is refused, also where --unlock has taken Snakemake's own lock away; it cannot cancel either."""
    run = start(project, *MODEL)
    training = run.pause_training()
    assert here("snakemake", "--unlock", "--cores", "1", *MODEL).returncode == 0
    second = start(project, *MODEL)
    assert second.wait(180) == 2
    found = rf"gde: results: found a Snakemake at work \(process {run.snakemake.pid} on .*\), expected one at a time"
    assert re.search(found, second.said())
    refused = here("gde.cli", "jobs", "cancel")
    assert refused.returncode == 2
    assert f"process {run.snakemake.pid} on " in refused.stderr
    assert len(queued(project)) == 1
    wait_until(lambda: training == run.training(), 1, run.said)
    subprocess.run(["kill", f"-{signal.SIGCONT.value}", str(training)], check=True)
    assert run.wait() == 0, run.said()
    assert canonical_digests(project / "results/normal") == undisturbed
