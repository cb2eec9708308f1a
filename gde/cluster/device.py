"""Device: which device a job computes on, and in which precision."""

import logging
import os

import torch

from gde.cluster.rank import Place, find_place
from gde.errors import bad

log = logging.getLogger(__name__)


def pick_device(accelerator: str, place: Place | None = None, *, tell: bool = False) -> torch.device:
    """`cpu`, `cuda`, or with `auto` a GPU when one is visible: each process of a group takes its own.

    tell : say so where there is none, which a training does once for all that follows.

    Raises GdeError when a GPU was asked for, or granted by Slurm, and is not visible, or when there are more processes
    than GPUs: such a job would run for days on the wrong device.
    """
    if accelerator == "cpu":
        return torch.device("cpu")
    place = place or find_place()
    names = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    granted = os.environ.get("SLURM_JOB_GPUS") or os.environ.get("SLURM_STEP_GPUS")
    wanted = len([name for name in names.split(",") if name]) or int(accelerator == "cuda" or bool(granted))
    visible = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if visible < wanted:
        found = f"{visible or 'no'} visible GPU (CUDA_VISIBLE_DEVICES={names!r}, granted {granted})"
        remedy = "check the node's driver, or set accelerator: cpu in config/config.yaml"
        raise bad("accelerator", found, "every GPU that was granted" if visible else "a GPU", remedy)
    if not visible:
        if tell:
            log.info("no GPU visible: computing on the CPU")
        return torch.device("cpu")
    if place.bound and visible == 1:  # srun shows each process its own GPU, and to each it is the first
        return torch.device("cuda", 0)
    if place.local_rank >= visible:
        found, expected = f"{visible} visible", f"{place.local_rank + 1} or more on this machine, one for each process"
        raise bad("gpus", found, expected, "ask for as many GPUs as processes")
    return torch.device("cuda", place.local_rank)


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """bfloat16 autocast: with `bf16`, or with `auto` on GPUs that have it."""
    wanted = precision == "bf16" or (precision == "auto" and device.type == "cuda" and torch.cuda.is_bf16_supported())
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=wanted)
