"""Servers, projects that load from them, and the sum of what the fuzzers saw, with the seed that repeats it."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import yaml
from fuzz import SEED
from server import serving

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))
from forked import Snakemake

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
    from copies import ROOT, copy_project
    from downloads import CELLS, sha256

    copy_project(tmp_path)
    facts = {"bytes": len(CELLS), "sha256": sha256(CELLS.encode())}
    files = {"cells.csv": {"urls": [server.url("/cells")], **facts}, "sub/bad.bin": {"urls": [server.url("/bad")]}}
    common = {"title": "toy", "origin": "the shop", "licence": "CC0-1.0", "citation": "nobody"}
    table = {
        "toy": {"access": "open", "files": files, **common},
        "mine": {"access": "user", "files": {"cells.csv": {}}, **common},
    }
    kept = yaml.safe_load((ROOT / "resources/sources.yaml").read_text())
    bundled = {name: kept[name] for name in ("pbmc68k", "digits")}
    (tmp_path / "resources/sources.yaml").write_text(yaml.safe_dump(table | bundled))
    grouped = "groupby: [site, species], split: {by: sample}"
    for name in ("toy", "mine"):
        text = f"dataset: {{kind: table, path: resources/{name}/cells.csv, {grouped}}}\n"
        (tmp_path / f"config/experiments/{name}_cells.yaml").write_text(text)
    return tmp_path


@pytest.fixture
def snakemake(project, warm) -> Callable[..., subprocess.CompletedProcess]:
    """snakemake(*arguments): run it in the project and return what it said."""
    (project / "stubs").mkdir()
    (project / "stubs/scontrol").write_text("#!/bin/sh\nexit 1\n")  # else Slurm without controller costs ten seconds
    (project / "stubs/scontrol").chmod(0o755)
    keep = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "SNAKEMAKE_PROFILE")}
    path = os.pathsep.join([str(project / "stubs"), str(Path(sys.executable).parent), os.environ["PATH"]])
    new = {"PATH": path, "SNAKEMAKE_PROFILE": "profiles/local", "XDG_CACHE_HOME": str(project / "cache")}

    return partial(Snakemake(warm, keep | new), project)


def pytest_terminal_summary(terminalreporter):
    count = Counter()
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            count.update({key: value for key, value in report.user_properties if key in COUNTED})
    if count:
        text = ", ".join(f"{count[key]} {key}" for key in COUNTED)
        terminalreporter.write_line(f"mutated inputs with seed {SEED}: {count.total()} in all, {text}")
