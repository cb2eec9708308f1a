"""Runs: one training each, kept for ever under its hash; the current one of an experiment is published."""

import os
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gde.cluster.rank import find_place, joined_processes
from gde.config import run_id, training_slice
from gde.definitions.digest import code_digest
from gde.fetch.published_models import with_digests
from gde.files.io import atomic_dir, atomic_path, verify_sums
from gde.files.seals import read_sealed_json, write_sealed_json
from gde.files.sole_writer import sole_writer
from gde.runs.code_digest import training_roots
from gde.runs.provenance import provenance

if TYPE_CHECKING:
    import torch


def train_run(config: dict[str, Any], store_dir: Path, runs_dir: Path, model_dir: Path, *, accelerator: str) -> str:
    """Train the experiment, or continue, or merely publish a finished run of the same hash; returns the run's id.

    The hash covers the resolved config with the published weights it names, the store's content and the training code,
    so that a run is never continued under another meaning. Under torchrun or srun every process calls this; the first
    one writes.
    """
    from gde.cluster.device import pick_device
    from gde.sets.store.set_store import SetStore
    from gde.train import train

    config = with_digests(config)
    store, code = SetStore.open(store_dir), code_digest(training_roots(config))
    run = run_id(config, store.digest, code)
    run_dir, place = runs_dir / run, find_place()
    device = pick_device(accelerator, place)
    backend = "nccl" if device.type == "cuda" else "gloo"
    with joined_processes(place, backend) as first, one_writer(run_dir, enabled=first):
        if not is_finished(run_dir):
            record = {"run": run, "experiment": config["name"], "store": store.digest, "code": code}
            if first:
                write_sealed_json(run_dir / "run.json", record | {"config": config})
            model, budget = train(config, store, run_dir, device=device)
            model.config |= record | {"budget": budget, "data": store.meta["data"], "hardware": hardware(device)}
            settings, seeds, inputs = training_slice(config), {"experiment": config["seed"]}, {"store": store.digest}
            model.config["provenance"] = provenance(settings, code=code, seeds=seeds, inputs=inputs, device=device)
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
