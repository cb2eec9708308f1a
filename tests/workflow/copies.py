"""Copies of the project for tests that run the workflow."""

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SMOKE = ("--config", "preset=smoke", "accelerator=cpu")


def copy_project(target: Path) -> Path:
    """The tracked parts of the project that the workflow needs."""
    for part in ("gde", "workflow", "config", "profiles", "envs"):
        shutil.copytree(ROOT / part, target / part, ignore=shutil.ignore_patterns("__pycache__"))
    (target / "resources").mkdir()
    shutil.copy(ROOT / "resources/sources.yaml", target / "resources")  # and not what was downloaded
    return target
