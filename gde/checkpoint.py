"""Checkpoints: tensors in safetensors, the rest in JSON, whole directories renamed into place, digests verified."""

import logging
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from gde.errors import GdeError, bad
from gde.files.io import atomic_dir, read_json, verify_sums, write_json
from gde.files.temporary import temporary_name
from gde.models.base import load_tensors

log = logging.getLogger(__name__)
NEWEST_KEPT = 2


def flatten_optimizer(optimizer: torch.optim.Optimizer, names: list[str]) -> dict[str, Tensor]:
    """Optimiser state as named tensors, ``optimizer/<parameter>/<slot>``; parameters in the order of `names`."""
    flat = {}
    for i, slots in optimizer.state_dict()["state"].items():
        for slot, value in slots.items():
            if value is not None:
                flat[f"optimizer/{names[i]}/{slot}"] = torch.as_tensor(value)
    return flat


def restore_optimizer(optimizer: torch.optim.Optimizer, names: list[str], tensors: dict[str, Tensor]) -> None:
    """The inverse of `flatten_optimizer`; hyper-parameters stay those of `optimizer`."""
    state: dict[int, dict[str, Tensor]] = {}
    for i, name in enumerate(names):
        prefix = f"optimizer/{name}/"
        slots = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
        if slots:
            state[i] = slots
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def save_checkpoint(directory: Path, step: int, tensors: dict[str, Tensor], state: dict[str, Any]) -> Path:
    """Write ``directory/step-<step>`` (tensors, state.json, SHA256SUMS), all or nothing."""
    path = directory / f"step-{step:09d}"
    with atomic_dir(path) as tmp:
        save_file({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, tmp / "state.safetensors")
        write_json(tmp / "state.json", {**state, "step": step})
    return path


def list_checkpoints(directory: Path) -> list[Path]:
    """Complete checkpoints, oldest first."""
    return sorted(directory.glob("step-*"))


def load_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and state of one checkpoint. Raises GdeError naming a damaged file."""
    verify_sums(path, f"delete {path.parent} to train from the start")
    return load_tensors(path / "state.safetensors"), read_json(path / "state.json")


def load_latest(directory: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """The newest checkpoint that is intact, or None when there is none at all.

    A damaged one is reported and the one before it taken; when every one is damaged, GdeError.
    """
    paths = list_checkpoints(directory)
    for path in reversed(paths):
        try:
            return load_checkpoint(path)
        except GdeError as e:
            log.warning("%s: checkpoint not used", e)
    if paths:
        raise bad(
            directory, "only damaged checkpoints", "an intact one", "delete the directory to train from the start"
        )
    return None


def clear_leftovers(directory: Path) -> None:
    """Remove what killed processes left half-written or half-deleted. Only for the process that writes here."""
    for left in directory.glob(".step-*.tmp"):
        shutil.rmtree(left)


def prune_checkpoints(directory: Path, *, best: int | None, keep_every: int) -> None:
    """Delete all but the newest two, the best and every `keep_every`-th step (0: none), and what killed processes left.

    Only for the process that writes, between two of its checkpoints.
    """
    clear_leftovers(directory)
    for path in list_checkpoints(directory)[:-NEWEST_KEPT]:
        step = int(path.name.removeprefix("step-"))
        if step != best and not (keep_every and step % keep_every == 0):
            shutil.rmtree(path.rename(temporary_name(path)))  # a kill must not leave half of one under its name
