"""Provenance: where a result came from: settings, code, seeds and inputs that it follows from, and the machine that
made it."""

import hashlib
import importlib.metadata
import os
import platform
import socket
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gde import __version__
from gde.files.io import sha256_json

if TYPE_CHECKING:
    import torch

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = "environment"  # the part in which equal results may differ


def provenance(
    settings: Any,
    *,
    code: str,
    seeds: Mapping[str, int] | list[int],
    inputs: Mapping[str, str],
    device: "str | torch.device" = "cpu",
) -> dict[str, Any]:
    """The record that every result carries; plain data.

    settings : the part of the resolved configuration that the result depends on; its SHA-256 is kept.
    code : digest of the code that made it (`gde.definitions.digest.code_digest`).   inputs : name -> SHA-256.

    All but `environment` follows from these alone: equal results have equal records.
    """
    return {
        "config": sha256_json(settings),
        "code": code,
        "seeds": dict(seeds) if isinstance(seeds, Mapping) else list(seeds),
        "inputs": dict(inputs),
        ENVIRONMENT: {**software(), **hardware(device)},
    }


def software() -> dict[str, Any]:
    """Version of gde, `git describe` of its work tree ("" outside one), whether that has uncommitted changes, versions
    of Python and torch, and `lock`: SHA-256 over the name==version of every installed distribution but gde."""
    described = describe(ROOT)
    return {
        "gde": __version__,
        "git": described,
        "dirty": described.endswith("-dirty"),
        "lock": lock_digest(),
        "python": platform.python_version(),
        "torch": _version("torch"),
    }


def hardware(device: "str | torch.device" = "cpu") -> dict[str, Any]:
    """Host, processor, cores of the machine and of this process, GPU and Slurm job; "" where there is none."""
    gpu = ""
    if str(device).startswith("cuda"):
        import torch

        gpu = torch.cuda.get_device_name(device)
    return {
        "host": socket.gethostname(),
        "processor": processor(),
        "cores": os.cpu_count() or 1,
        "cores_used": len(os.sched_getaffinity(0)),
        "device": str(device),
        "gpu": gpu,
        "slurm_job": os.environ.get("SLURM_JOB_ID", ""),
        "slurm_node": os.environ.get("SLURMD_NODENAME", ""),
        "visible_gpus": os.environ.get("CUDA_VISIBLE_DEVICES", ""),
    }


@cache
def describe(root: Path) -> str:
    """As `git describe --always --tags --dirty` of the work tree at `root`; "" where there is none, or no git.

    Only of a tree that holds the package itself: an environment inside another project's tree says nothing about gde.
    """
    if not (root / ".git").exists():
        return ""
    # Without optional locks `status` leaves the index alone, which another git may be writing; `describe --dirty`
    # writes it all the same.
    options = {"env": os.environ | {"GIT_OPTIONAL_LOCKS": "0"}, "capture_output": True, "text": True, "timeout": 20}
    git = ["git", "-C", str(root)]
    try:
        commit = subprocess.run([*git, "describe", "--always", "--tags"], check=True, **options).stdout.strip()
        changes = subprocess.run([*git, "status", "--porcelain", "--untracked-files=no"], check=True, **options).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
    return f"{commit}-dirty" if changes.strip() else commit


@cache
def lock_digest() -> str:
    """SHA-256 over the sorted name==version lines of the installed distributions, gde left out."""
    lines = {f"{d.name.lower().replace('_', '-')}=={d.version}" for d in importlib.metadata.distributions() if d.name}
    lines = sorted(line for line in lines if not line.startswith("gde=="))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@cache
def processor() -> str:
    """The processor's name, or its architecture where Linux does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""
