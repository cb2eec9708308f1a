"""Jobs: one Snakemake on one results directory, and the jobs that it leaves behind when it is killed.

Those go on writing. A second Snakemake therefore starts only when none of them is alive; `gde jobs cancel` ends them.
"""

import atexit
import logging
import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gde.cluster import slurm
from gde.cluster.memory_by_attempt import SLURM_LOGS
from gde.errors import GdeError, bad
from gde.files.io import storage_errors
from gde.files.lock import LOCKS, Held, Lock, started

log = logging.getLogger(__name__)
RESULTS = Path("results")
SNAKEMAKE_LOCKS = Path(".snakemake/locks")
# What Snakemake leaves running when it is killed: its own processes for single jobs, and the rules' scripts.
JOB_MARKS = ("--mode\0subprocess", "--mode\0remote", "/.snakemake/scripts/")
TARGET = "--target-jobs"
GRACE = 40  # seconds a process has for its checkpoint after SIGTERM
PATIENCE = 300  # seconds until a cancelled job must be gone


@dataclass(frozen=True)
class LocalJob:
    """A process of this machine that works for a Snakemake."""

    pid: int
    parent: int
    started: str
    command: str

    def __str__(self) -> str:
        return f"process {self.pid} on this machine ({self.command})"

    def alive(self) -> bool:
        return started(self.pid) == self.started


def local_jobs(directory: Path, slurm_ids: tuple[str, ...] = ()) -> list[LocalJob]:
    """Processes of this machine that work for a Snakemake in `directory`, but for those of the Slurm jobs given."""
    here, jobs = directory.resolve(), []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with suppress(OSError):  # it ended, or is another user's
            command = (entry / "cmdline").read_bytes().decode(errors="replace")
            if not any(mark in command for mark in JOB_MARKS) or (entry / "cwd").readlink() != here:
                continue
            variables = (entry / "environ").read_bytes().decode(errors="replace").split("\0")
            if any(f"SLURM_JOB_ID={job}" in variables for job in slurm_ids):
                continue
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            if (ticks := started(int(entry.name))) is not None:
                jobs.append(LocalJob(int(entry.name), parent, ticks, _short(command, entry)))
    return jobs


def _short(command: str, process: Path) -> str:
    """The script, and the log that it writes, which names the experiment: `train.py: train/gmm`; of a Snakemake for a
    single job its rule and wildcards."""
    words = command.rstrip("\0").split("\0")
    script = next((w for w in words if "/.snakemake/scripts/" in w), None)
    if script is None:
        about = words[words.index(TARGET) + 1 :][:1] if TARGET in words else []
        return ": ".join(["snakemake", *about])
    name = Path(script).name.partition(".")[2]  # tmpabc.train.py
    about = next(filter(None, map(_log_of, sorted((process / "fd").iterdir()))), None)
    return f"{name}: {about}" if about else name


def _log_of(descriptor: Path) -> str | None:
    """What the log of a job is called that a file descriptor of its process writes; None for other files."""
    with suppress(OSError):  # closed meanwhile
        path = descriptor.readlink()
        parts = path.with_suffix("").parts
        if path.suffix == ".log" and "logs" in parts:
            return "/".join(parts[parts.index("logs") + 1 :])
    return None


def live_jobs(directory: Path, executor: str | None = None) -> list[slurm.SlurmJob | LocalJob]:
    """Every job of `directory` that is alive: Slurm's, and processes of this machine.

    Slurm is asked where it is used: with its executor, and where an earlier Snakemake left its logs. With its executor
    (or None: not known) it has to answer, else GdeError.
    """
    of_slurm: list[slurm.SlurmJob] = []
    used = (directory / SLURM_LOGS).is_dir() or (directory / ".snakemake/slurm_logs").is_dir()
    if slurm.installed() and (used or executor == "slurm"):
        try:
            of_slurm = slurm.live_jobs(directory, timeout=5 if executor == "local" else 30)
        except GdeError as e:
            if executor != "local":
                raise
            log.warning("%s (jobs are run on this machine now)", e)
    return [*of_slurm, *local_jobs(directory, tuple(job.id for job in of_slurm))]


@contextmanager
def only_snakemake(directory: Path) -> Iterator[None]:
    """Be the one that starts or ends jobs here; GdeError when another Snakemake is alive, on whatever machine."""
    path = directory / RESULTS / LOCKS / "snakemake"
    # A Snakemake that lost its lock ends as with Ctrl-C: it cancels what it submitted.
    lock = Lock(path, on_loss=lambda: os.kill(os.getpid(), signal.SIGINT))
    try:
        with storage_errors(directory / RESULTS):
            lock.acquire()
    except Held as e:
        remedy = "wait for it to end, or stop it with Ctrl-C where it runs"
        raise bad(RESULTS, f"a Snakemake at work ({e})", "one at a time", remedy) from None
    with lock.held():
        yield


@contextmanager
def first_snakemake(directory: Path, executor: str) -> Iterator[None]:
    """As `only_snakemake`; GdeError also when jobs of an earlier Snakemake, which was killed, are alive."""
    with only_snakemake(directory):
        if jobs := live_jobs(directory, executor):
            found = f"jobs of an earlier Snakemake alive: {'; '.join(map(str, jobs))}"
            remedy = "run `gde jobs cancel`, which keeps checkpoints, or wait for them to end; then run again"
            raise bad(RESULTS, found, "none, so that nothing is written twice", remedy)
        yield


def guard(workflow: Any) -> None:
    """Be `first_snakemake` until this process ends, if it is a Snakemake about to run or submit jobs.

    Not for dry runs and the like, nor with --nolock, nor in the Snakemakes that run single jobs.
    """
    settings, plugin = workflow.execution_settings, workflow.executor_plugin
    if plugin is None or settings is None or workflow.dryrun or not (settings.lock and workflow.is_main_process):
        return
    if not _guards:
        context = first_snakemake(Path(), plugin.name)
        context.__enter__()
        _guards.append(context)
        atexit.register(context.__exit__, None, None, None)


_guards: list[Any] = []  # one in a process


def cancel(directory: Path) -> int:
    """End every live job of `directory`, wait until they are gone, and unlock it; returns how many there were.

    Raises GdeError while the Snakemake that they belong to is alive, and for a job that does not end.
    """
    with only_snakemake(directory):
        asked: set[str] = set()
        begin = time.monotonic()
        while jobs := live_jobs(directory):
            passed = time.monotonic() - begin
            if passed > PATIENCE:
                remedy = "have an operator end them, and run this again"
                raise bad(RESULTS, f"still alive: {'; '.join(map(str, jobs))}", "jobs that end", remedy)
            of_slurm = [job for job in jobs if isinstance(job, slurm.SlurmJob) and job.id not in asked]
            if of_slurm:
                slurm.cancel(of_slurm)
            local = [job for job in jobs if isinstance(job, LocalJob)]
            parents = {job.parent for job in local}
            for job in local:  # scripts first: the Snakemake above one clears up after it
                if passed > GRACE:
                    _signal(job, signal.SIGKILL)
                elif str(job) not in asked and job.pid not in parents:
                    _signal(job, signal.SIGTERM)
                    _signal(job, signal.SIGCONT)
                    asked.add(str(job))
            asked |= {job.id for job in of_slurm}
            time.sleep(0.2)
        if (locks := directory / SNAKEMAKE_LOCKS).is_dir():
            with storage_errors(locks):
                shutil.rmtree(locks)  # what `snakemake --unlock` does
    return len(asked)


def _signal(job: LocalJob, number: int) -> None:
    if job.alive():
        with suppress(ProcessLookupError):
            os.kill(job.pid, number)


def table(directory: Path) -> list[dict[str, Any]]:
    """One row per live job, for printing."""
    rows = []
    for job in live_jobs(directory):
        if isinstance(job, slurm.SlurmJob):
            row = {"job": job.id, "what": job.comment, "state": job.state, "where": job.node or "-", "since": job.since}
        else:
            row = {"job": f"process {job.pid}", "what": job.command, "state": "RUNNING", "where": "this machine"}
        rows.append(row)
    return rows
