"""Which device a job computes on, and in which precision."""

import logging
import os

import torch

from gde.errors import bad

log = logging.getLogger(__name__)


def pick_device(accelerator: str) -> torch.device:
    """`cpu`, `cuda`, or with `auto` a GPU when one is visible.

    Raises GdeError when a GPU was asked for, or granted by Slurm, and none is visible: such a job would run for
    days on the wrong device.
    """
    if accelerator == "cpu":
        return torch.device("cpu")
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
    granted = os.environ.get("SLURM_JOB_GPUS") or os.environ.get("SLURM_STEP_GPUS")
    if accelerator == "cuda" or granted:
        found = (
            f"no visible GPU (CUDA_VISIBLE_DEVICES={os.environ.get('CUDA_VISIBLE_DEVICES', '')!r}, granted {granted})"
        )
        raise bad(
            "accelerator", found, "a GPU", "check the node's driver, or set accelerator: cpu in config/config.yaml"
        )
    log.info("no GPU visible: computing on the CPU")
    return torch.device("cpu")


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """bfloat16 autocast: with `bf16`, or with `auto` on GPUs that have it."""
    wanted = precision == "bf16" or (precision == "auto" and device.type == "cuda" and torch.cuda.is_bf16_supported())
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=wanted)
