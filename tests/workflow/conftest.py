"""A copy of the project per test session, and Snakemake to run in it."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from copies import SMOKE, copy_project
from forked import Snakemake


@pytest.fixture(scope="session")
def environment(tmp_path_factory) -> dict[str, str]:
    """The environment of `snakemake`. With Slurm's tools installed and its controller down every start would wait 10 s
    for scontrol, so a failing one stands first on PATH."""
    stubs = tmp_path_factory.mktemp("stubs")
    (stubs / "scontrol").write_text("#!/bin/sh\nexit 1\n")
    (stubs / "scontrol").chmod(0o755)
    path = os.pathsep.join([str(stubs), str(Path(sys.executable).parent), os.environ["PATH"]])
    keep = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "SNAKEMAKE_PROFILE")}
    cache = tmp_path_factory.mktemp("cache")  # Snakemake's source cache
    return keep | {"PATH": path, "SNAKEMAKE_PROFILE": "profiles/local", "XDG_CACHE_HOME": str(cache)}


@pytest.fixture
def project(tmp_path) -> Path:
    """A fresh copy of the project."""
    return copy_project(tmp_path)


@pytest.fixture(scope="session")
def snakemake(warm, environment) -> Callable[..., subprocess.CompletedProcess]:
    """snakemake(directory, *arguments): run it there and return what it said."""
    return Snakemake(warm, environment)


@pytest.fixture(scope="session")
def planned(snakemake) -> Callable[..., dict[str, int]]:
    """planned(directory, *arguments): what a dry run would run, as {rule: jobs} without `all`."""

    def run(directory: Path, *arguments: str) -> dict[str, int]:
        done = snakemake(directory, "-n", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        stats = re.search(r"^job +count\n-+ +-+\n(.*?)^total", done.stdout + done.stderr, re.M | re.S)
        rows = (line.split() for line in stats[1].splitlines()) if stats else ()
        return {rule: int(count) for rule, count in rows if rule != "all"}

    return run


@pytest.fixture(scope="session")
def made(tmp_path_factory, snakemake):
    """A project whose main job has run; tests only read it, or work on a copy."""
    root = copy_project(tmp_path_factory.mktemp("made"))
    done = snakemake(root, "all", *SMOKE)
    assert done.returncode == 0, done.stdout + done.stderr
    done = snakemake(root, "all", "--report", "results/report.html", *SMOKE)
    assert done.returncode == 0, done.stdout + done.stderr
    return root
