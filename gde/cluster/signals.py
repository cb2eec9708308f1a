"""SIGTERM: for a training, which ends with a checkpoint, and for the scripts of a Slurm job.

Slurm tells only the first process of a job step that the time is up, and that one is Snakemake: it says that it will
exit when its job has finished, and the training, which would write a checkpoint, never hears of it.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def sigterm_into(received: list[bool]) -> Iterator[None]:
    """Let a SIGTERM add True to `received` instead of ending the process. Where a program works in another thread than
    its first, in which alone handlers can be set, SIGTERM does what that program says."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, lambda *_: received.append(True))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def pass_on_sigterm() -> None:
    """In a Slurm job, let this Snakemake's SIGTERM reach the scripts that it runs.

    Through the wake-up file descriptor, which Python fills whatever handler Snakemake installs later.
    """
    if "SLURM_JOB_ID" not in os.environ or threading.current_thread() is not threading.main_thread():
        return
    ours, pythons = os.pipe()
    os.set_blocking(pythons, False)
    signal.set_wakeup_fd(pythons)
    threading.Thread(target=forward, args=(ours,), daemon=True).start()


def forward(pipe: int) -> None:
    """Read the numbers of arriving signals from `pipe`, and send every SIGTERM on."""
    while number := os.read(pipe, 1):
        if number[0] == signal.SIGTERM:
            for process in running_scripts(os.getpid()):
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGTERM)


def running_scripts(ancestor: int) -> list[int]:
    """Descendants of a process that interpret a rule's script; not the shells around them, which would die of it."""
    parents, scripts = {}, []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            arguments = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if any("/.snakemake/scripts/" in a and os.path.isfile(a) for a in arguments):
                scripts.append(int(folder.name))

    def descends(process: int) -> bool:
        return process == ancestor or (process in parents and descends(parents[process]))

    return [p for p in scripts if p != ancestor and descends(p)]
