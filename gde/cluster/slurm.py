"""Slurm: what Slurm knows: the live jobs that Snakemake submitted from a directory, and whether a job has ended."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gde.errors import bad

# Snakemake names every job of a run alike: prefix of the profile, _, a UUID.
JOB_NAME = re.compile(r"(?:.*_)?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
OVER = (
    "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "TIMEOUT",
)  # fmt: skip
FORMAT = "%i\t%j\t%T\t%N\t%V\t%u\t%k\t%Z"


@dataclass(frozen=True)
class SlurmJob:
    """A job that waits, runs, or is being cleaned up."""

    id: str
    name: str
    state: str
    node: str
    since: str
    user: str
    comment: str

    def __str__(self) -> str:
        node = f" on {self.node}" if self.node else ""
        return f"Slurm job {self.id} ({self.comment}, {self.state}{node}, of {self.user} since {self.since})"


def installed() -> bool:
    """Whether Slurm's commands are here."""
    return shutil.which("squeue") is not None


def live_jobs(directory: Path, *, timeout: float = 30) -> list[SlurmJob]:
    """Jobs that a Snakemake working in `directory` submitted and that are not over, whoever started it.

    Raises GdeError when Slurm does not answer in `timeout` seconds.
    """
    here, jobs = directory.resolve(), []
    for line in squeue(["--format", FORMAT], timeout).splitlines():
        values = line.split("\t")
        if len(values) == 8 and JOB_NAME.fullmatch(values[1]) and Path(values[7]).resolve() == here:
            job = SlurmJob(*(value.strip() for value in values[:7]))
            if job.state not in OVER:
                jobs.append(job)
    return jobs


def ended(job: str) -> bool:
    """Whether Slurm says that a job is over; False also when it cannot be asked."""
    if not installed():
        return False
    try:
        done = subprocess.run(
            ["squeue", "--noheader", "--states", "all", "--jobs", job, "--format", "%T"],
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return False
    if done.returncode:
        return "Invalid job id" in done.stderr  # forgotten, as jobs are some minutes after their end
    return all(state in OVER for state in done.stdout.split())


def cancel(jobs: Sequence[SlurmJob]) -> None:
    """Ask Slurm to end jobs: SIGTERM, and SIGKILL some seconds later. GdeError in Slurm's words when it refuses."""
    done = subprocess.run(
        ["scancel", *(job.id for job in jobs)], capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode:
        remedy = "ask who submitted them, or an operator, to cancel them"
        raise bad("scancel", done.stderr.strip(), "the jobs to be cancelled", remedy)


def squeue(options: Sequence[str], timeout: float) -> str:
    """squeue's answer. GdeError when there is none."""
    remedy = "wait until Slurm answers (`scontrol ping`), so that jobs that are still alive can be seen, and run again"
    try:
        done = subprocess.run(
            ["squeue", "--noheader", *options], capture_output=True, text=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired as e:
        raise bad("squeue", f"no answer in {timeout:.0f} s", "the list of jobs", remedy) from e
    if done.returncode:
        raise bad("squeue", done.stderr.strip(), "the list of jobs", remedy)
    return done.stdout
