"""Tiny stores and models, made once a session; tests must not change them."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

# First of all, for pytest and the processes that tests start: gde sets how long OpenMP's threads spin, and one thread
# for each; both are read when torch is imported. Tests run beside each other: threads that spin long on a busy core
# would stop everything. What asks for more threads sets them itself.
os.environ.setdefault("OMP_NUM_THREADS", "1")
import gde  # noqa: F401  # isort: skip

import pytest
import tiny
from warm import Warm

from gde.sets.store.set_store import SetStore

MAIN_JOB = ("test_end_to_end.py", "test_report.py")  # share one finished main job
# Those that take long start first, so that no worker ends with one of them alone.
LONG = ("test_readme.py", "test_grid.py", *MAIN_JOB, "test_kill.py", "test_resume_every_step.py", "test_fuzz_h5ad.py")
APART = ("test_kill.py", "test_laws.py", "test_token_laws.py")  # their tests share next to nothing: each its own scope


def pytest_collection_modifyitems(items):
    """Workflow tests start first: they are the longest."""
    place = {name: i for i, name in enumerate(LONG)}
    workflow = {item.path for item in items if item.get_closest_marker("workflow")}
    items.sort(key=lambda item: (place.get(item.path.name, len(LONG)), item.path not in workflow))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """A file stays on one worker, so that what its tests share is made once; of some files, each test function."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file, _, test = nodeid.partition("::")
            if file.endswith(APART):
                return f"{file}::{test.partition('[')[0]}"
            return "main job" if file.endswith(MAIN_JOB) else file

    config.option.loadscopereorder = False  # the order above
    return ByFile(config, log)


@pytest.fixture(scope="session")
def warm(tmp_path_factory) -> Iterator[Warm]:
    """Python programs without the time of their imports."""
    warm = Warm(tmp_path_factory.mktemp("warm"))
    yield warm
    warm.end()


@pytest.fixture
def no_fsync(monkeypatch):
    """Skip the wait for the disk: it only matters to a power cut, which no test makes."""
    monkeypatch.setattr(os, "fsync", lambda fd: None)


@pytest.fixture(scope="session")
def family_store(tmp_path_factory) -> SetStore:
    """Held-out sets of two-dimensional normal distributions."""
    return tiny.prepare(tiny.experiment(), tmp_path_factory.mktemp("family") / "sets")


@pytest.fixture(scope="session")
def cells_h5ad(tmp_path_factory):
    """Counts of 12 donors x 2 cell types, 8 to 40 cells each, as an .h5ad."""
    path = tmp_path_factory.mktemp("cells") / "cells.h5ad"
    tiny.cells().write_h5ad(path)
    return path


@pytest.fixture(scope="session")
def cells_store(tmp_path_factory, cells_h5ad) -> SetStore:
    """The store of `cells_h5ad`: groups smaller than a training set, so that masks matter."""
    return tiny.prepare(tiny.cells_experiment(cells_h5ad), tmp_path_factory.mktemp("cells") / "sets")


@pytest.fixture
def excerpt():
    """excerpt(name): the folder of a real excerpt; skips where it is absent."""
    root = Path(os.environ.get("GDE_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))

    def find(name: str) -> Path:
        if not (root / name).is_dir():
            pytest.skip(f"no excerpt '{name}' under {root} (set GDE_TEST_DATA)")
        return root / name

    return find


@pytest.fixture
def tiny_disk(tmp_path):
    """A mounted file system of 64 kB; skips where mounting is not allowed."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("no `mount` here")
    if done.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {done.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)  # a memory map in a traceback may still be open
