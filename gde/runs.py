"""Runs: one training each, kept for ever under its hash; the current one of an experiment is published."""

import fcntl
import os
import platform
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gde.config import run_id
from gde.digest import code_digest, training_modules
from gde.errors import bad
from gde.io import atomic_dir, atomic_path, read_json, storage_errors, verify_sums, write_json

if TYPE_CHECKING:
    import torch


def train_run(config: dict[str, Any], store_dir: Path, runs_dir: Path, model_dir: Path, *, accelerator: str) -> str:
    """Train the experiment, or continue, or merely publish a finished run of the same hash; returns the run's id.

    The hash covers the resolved config, the store's content and the training code, so that a run is never continued
    under another meaning. Under torchrun or srun every process calls this; the first one writes.
    """
    from gde.device import pick_device
    from gde.sets.store import SetStore
    from gde.train import train

    store, code = SetStore.open(store_dir), code_digest(training_modules(config))
    run = run_id(config, store.digest, code)
    run_dir, device = runs_dir / run, pick_device(accelerator)
    with joined_processes(device) as first, one_writer(run_dir, enabled=first):
        if not is_finished(run_dir):
            record = {"run": run, "experiment": config["name"], "store": store.digest, "code": code}
            if first:
                write_json(run_dir / "run.json", record | {"config": config})
            model, budget = train(config, store, run_dir, device=device)
            model.config |= record | {"budget": budget, "data": store.meta["data"], "hardware": hardware(device)}
            if first:
                model.to("cpu").save(run_dir / "model")
        if first:
            publish(run_dir, model_dir)
    return run


def publish(run_dir: Path, model_dir: Path) -> None:
    """Copy a finished run's model and log to where the experiment's other rules look for it."""
    with atomic_dir(model_dir) as tmp:
        shutil.copytree(run_dir / "model", tmp, dirs_exist_ok=True)
        shutil.copy(run_dir / "log.jsonl", tmp)


def is_finished(run_dir: Path) -> bool:
    """Whether the run's model is there and intact (GdeError when it is damaged)."""
    if not (run_dir / "model").is_dir():
        return False
    verify_sums(run_dir / "model")
    return True


@contextmanager
def joined_processes(device: "torch.device") -> Iterator[bool]:
    """Join the process group that torchrun or srun set up, if any; gives True in the process that writes."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield True
        return
    from torch import distributed

    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield distributed.get_rank() == 0
    finally:
        distributed.destroy_process_group()


@contextmanager
def one_writer(run_dir: Path, *, enabled: bool = True) -> Iterator[None]:
    """Make the run's directory and hold its lock; GdeError when another live process does, or it is read-only.

    The lock dies with its process.
    """
    if not enabled:
        yield
        return
    with storage_errors(run_dir):
        run_dir.mkdir(parents=True, exist_ok=True)
        lock = (run_dir / "lock").open("a+")
    with lock as f:
        try:
            fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as e:
            f.seek(0)
            remedy = "wait for it to end, or stop it; its checkpoints are kept"
            raise bad(run_dir, f"a training of this run in progress ({f.read().strip()})", "one writer", remedy) from e
        with storage_errors(run_dir):
            f.truncate(0)
            f.write(f"process {os.getpid()} on {socket.gethostname()}")
            f.flush()
        yield


def hardware(device: "torch.device") -> str:
    """What the numbers were made on, for the budget's readers."""
    if device.type == "cuda":
        import torch

        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} CPU, {os.cpu_count()} cores"


def keep_metrics(metrics: Path, runs_dir: Path) -> None:
    """Put a copy of an experiment's metrics.json beside the run it describes, so that later runs do not erase it."""
    run_dir = runs_dir / read_json(metrics)["run"]
    if run_dir.is_dir():
        with atomic_path(run_dir / "metrics.json") as tmp:
            shutil.copy(metrics, tmp)
