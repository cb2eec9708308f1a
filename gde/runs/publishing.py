"""Runs: one training each, kept for ever under its hash; the current one of an experiment is published."""

import os
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gde.files.io import atomic_dir, atomic_path, verify_sums
from gde.files.seals import read_sealed_json
from gde.files.sole_writer import sole_writer

if TYPE_CHECKING:
    import torch


def publish(run_dir: Path, model_dir: Path) -> None:
    """Copy a finished run's model and log to where the experiment's other rules look for it."""
    with atomic_dir(model_dir) as tmp:
        shutil.copytree(run_dir / "model", tmp, dirs_exist_ok=True)
        shutil.copy(run_dir / "log.jsonl", tmp)


def is_finished(run_dir: Path) -> bool:
    """Whether the run's model is there and intact (GdeError when it is damaged)."""
    if not (run_dir / "model").is_dir():
        return False
    verify_sums(run_dir / "model", f"delete {run_dir / 'model'} and run again: it is made from the checkpoints")
    return True


@contextmanager
def one_writer(run_dir: Path, *, enabled: bool = True) -> Iterator[None]:
    """Make the run's directory and hold its lock; GdeError when another live process does, or it is read-only.

    In a Slurm job a process that is about to end is waited for.
    """
    if not enabled:
        yield
        return
    remedy = "wait for it to end, or stop it (`gde jobs cancel`); its checkpoints are kept"
    with sole_writer(run_dir / "lock", run_dir, "a training of this run in progress", remedy):
        yield


def hardware(device: "torch.device") -> str:
    """What the numbers were made on, for the budget's readers."""
    if device.type == "cuda":
        import torch

        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} CPU, {os.cpu_count()} cores"


def keep_metrics(metrics: Path, runs_dir: Path) -> None:
    """Put a copy of an experiment's metrics.json beside the run it describes, so that later runs do not erase it."""
    run_dir = runs_dir / read_sealed_json(metrics)["run"]
    if run_dir.is_dir():
        with atomic_path(run_dir / "metrics.json") as tmp:
            shutil.copy(metrics, tmp)
