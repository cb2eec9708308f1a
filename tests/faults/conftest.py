"""Servers, projects that load from them, and the sum of what the fuzzers saw, with the seed that repeats it."""

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from fuzz import SEED
from server import serving

pytest.register_assert_rewrite("downloads")

COUNTED = ("refused", "accepted as valid", "escaped")


@pytest.fixture
def here(tmp_path):
    """A directory for a mutated file and the store made from it."""
    (tmp_path / "sets").mkdir()
    return tmp_path


@pytest.fixture(scope="module")
def started():
    with serving() as server:
        yield server


@pytest.fixture
def server(started):
    """The server without memory of other tests."""
    started.answers.clear()
    started.requests = []
    started.most_at_once = 0
    return started


@pytest.fixture
def url(server) -> str:
    return server.url("/data.bin")


@pytest.fixture
def project(tmp_path, server) -> Path:
    """A copy of the project whose table points to the server, with experiments on its files."""
    from downloads import CELLS, ROOT, sha256

    for part in ("gde", "workflow", "config", "profiles", "envs"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    facts = {"bytes": len(CELLS), "sha256": sha256(CELLS.encode())}
    files = {"cells.csv": {"urls": [server.url("/cells")], **facts}, "sub/bad.bin": {"urls": [server.url("/bad")]}}
    common = {"title": "toy", "origin": "the shop", "licence": "CC0-1.0", "citation": "nobody"}
    table = {
        "toy": {"access": "open", "files": files, **common},
        "mine": {"access": "user", "files": {"cells.csv": {}}, **common},
    }
    kept = yaml.safe_load((ROOT / "resources/sources.yaml").read_text())
    (tmp_path / "resources").mkdir()
    bundled = {name: kept[name] for name in ("pbmc68k", "digits")}
    (tmp_path / "resources/sources.yaml").write_text(yaml.safe_dump(table | bundled))
    grouped = "groupby: [site, species], split: {by: sample}"
    for name in ("toy", "mine"):
        text = f"dataset: {{kind: table, path: resources/{name}/cells.csv, {grouped}}}\n"
        (tmp_path / f"config/experiments/{name}_cells.yaml").write_text(text)
    return tmp_path


@pytest.fixture
def snakemake(project) -> Callable[..., subprocess.CompletedProcess]:
    """snakemake(*arguments): run it in the project and return what it said."""
    (project / "stubs").mkdir()
    (project / "stubs/scontrol").write_text("#!/bin/sh\nexit 1\n")  # else Slurm without controller costs ten seconds
    (project / "stubs/scontrol").chmod(0o755)
    keep = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "SNAKEMAKE_PROFILE")}
    path = os.pathsep.join([str(project / "stubs"), str(Path(sys.executable).parent), os.environ["PATH"]])
    new = {"PATH": path, "SNAKEMAKE_PROFILE": "profiles/local", "XDG_CACHE_HOME": str(project / "cache")}

    def run(*arguments: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "snakemake", *arguments]
        return subprocess.run(command, cwd=project, env=keep | new, capture_output=True, text=True, timeout=300)

    return run


def pytest_terminal_summary(terminalreporter):
    count = Counter()
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            count.update({key: value for key, value in report.user_properties if key in COUNTED})
    if count:
        text = ", ".join(f"{count[key]} {key}" for key in COUNTED)
        terminalreporter.write_line(f"mutated inputs with seed {SEED}: {count.total()} in all, {text}")
