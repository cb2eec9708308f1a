"""Launcher: train with several processes: on this machine, or through srun on several nodes of a Slurm job.

Not with torchrun's launcher, which ends with status 1 and a traceback on SIGTERM, kills what has not ended 30 s later
though it may be writing a checkpoint, does not hand on what its processes say of a mistake, and leaves them behind when
it is killed itself.
"""

import ctypes
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gde.errors import GdeError, bad
from gde.files.io import write_json

log = logging.getLogger(__name__)
GRACE = 60  # seconds for the others after one process has ended, or has been told to
PR_SET_PDEATHSIG = 1
ERROR = "gde: "


def launch(
    config: dict[str, Any], store: Path, runs: Path, model: Path, *, accelerator: str, gpus: int, nodes: int, bind: bool
) -> None:
    """`gde train` in `gpus` processes, one for each GPU, on `nodes` machines: several through srun.

    bind : whether Slurm was asked for the GPUs and gives each process its own. SIGTERM is handed on.
    What the processes say goes to the log. Raises GdeError for a user's mistake (once, not from each process),
    SystemExit with a process's status otherwise, so that after SIGTERM the caller ends as the training does.
    """
    if nodes > 1 and "SLURM_JOB_ID" not in os.environ:
        raise bad("nodes", f"{nodes}, outside a Slurm job", "1", "use --profile profiles/slurm")
    with settings_file(config, runs) as file:
        arguments = [str(file), "--sets", str(store), "--model", str(model), "--runs", str(runs)]
        command = [sys.executable, "-m", "gde.cli", "train", *arguments, "--accelerator", accelerator]
        if nodes > 1:
            run([(srun(gpus, nodes, config["training"]["torch_threads"], bind=bind) + command, dict(os.environ))])
        else:
            run([(command, env) for env in environments(gpus)])


@contextmanager
def settings_file(config: dict[str, Any], runs: Path) -> Iterator[Path]:
    """The settings as a file that all nodes see."""
    file = runs / f".{config['name'].replace('/', '+')}.json"
    write_json(file, config)
    try:
        yield file
    finally:
        file.unlink(missing_ok=True)


def srun(gpus: int, nodes: int, threads: int, *, bind: bool) -> list[str]:
    """One task for each process; the first that fails ends all."""
    options = [f"--ntasks={gpus}", f"--nodes={nodes}", f"--cpus-per-task={threads}", "--kill-on-bad-exit=1"]
    options += ["--mpi=none", "--input=none", *(["--gpus-per-task=1"] if bind else [])]
    return ["srun", *options]


def environments(processes: int) -> list[dict[str, str]]:
    """torchrun's variables for the processes of this machine."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    common = os.environ | {"WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    common.setdefault("GLOO_SOCKET_IFNAME", "lo")  # the machine's name may lead nowhere
    return [common | {"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(processes)]


def run(commands: Sequence[tuple[list[str], dict[str, str]]]) -> None:
    """Run commands beside each other until all have ended; when one fails, the others get SIGTERM, later SIGKILL."""
    told: list[float] = []

    def stop(*_: object) -> None:
        told.append(time.monotonic())
        for process in processes:
            if process.poll() is None:
                process.terminate()

    processes, readers, errors = [], [], []
    previous = signal.signal(signal.SIGTERM, stop)
    try:
        for i, (command, env) in enumerate(commands):
            process = subprocess.Popen(
                command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                text=True, preexec_fn=_end_with_parent,
            )  # fmt: skip
            processes.append(process)
            readers.append(threading.Thread(target=_relay, args=(process, i, len(commands), errors), daemon=True))
            readers[-1].start()
        while any(process.poll() is None for process in processes):
            if not told and any(process.poll() for process in processes):
                time.sleep(1)  # those that end by themselves at the same step do so now
                stop()
            if told and time.monotonic() > told[0] + GRACE:
                for process in processes:
                    process.kill()
            time.sleep(0.1)
    finally:
        signal.signal(signal.SIGTERM, previous)
        for process in processes:
            process.kill()  # on the way out of an error only: otherwise they have ended
        for reader in readers:
            reader.join()
    if errors:
        raise GdeError("; ".join(dict.fromkeys(errors)))
    if failed := [status for status in (process.returncode for process in processes) if status]:
        raise SystemExit(max(128 - status if status < 0 else status for status in failed))


def _relay(process: subprocess.Popen, number: int, of: int, errors: list[str]) -> None:
    """Hand a process's lines to our log; those about a user's mistake are said by the caller."""
    for line in process.stdout:
        if line.startswith(ERROR):
            errors.append(line.removeprefix(ERROR).rstrip())
        else:
            log.info("%s%s", f"[{number}] " if of > 1 and number else "", line.rstrip())


def _end_with_parent() -> None:
    """Let the kernel end this process when the one that started it is killed: nobody would hand SIGTERM on to it."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
