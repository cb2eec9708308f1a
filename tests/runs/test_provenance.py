"""Where results came from: recorded whatever is installed, and never a reason for two equal results to differ."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import tiny

from gde.cli.train_run import train_run
from gde.config.datasets import DATASETS
from gde.files.io import read_json, read_sums
from gde.prepare import prepare_of, prepare_store
from gde.runs import provenance as p
from gde.runs.canonical import canonical_digest
from gde.sets.store.set_store import SetStore

pytestmark = pytest.mark.usefixtures("no_fsync")
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def fresh():
    """Nothing remembered of this machine, before and after."""
    functions = (p.describe, p.lock_digest, p.processor)
    for function in functions:
        function.cache_clear()
    yield
    for function in functions:
        function.cache_clear()


@pytest.fixture
def elsewhere(monkeypatch):
    """elsewhere(): from now on everything is made on another machine, by another commit."""

    def move():
        about = {"git": "v9-1-gabc-dirty", "dirty": True, "lock": "0" * 64, "gde": "9", "python": "9", "torch": "9"}
        monkeypatch.setattr(p, "software", lambda: about)
        monkeypatch.setattr(p, "hardware", lambda device="cpu": {"host": "another", "cores": 99, "device": "cuda:0"})

    return move


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def tree(tmp_path, fresh):
    """A work tree with one commit."""
    git(tmp_path, "init", "-q")
    (tmp_path / "a.py").write_text("x = 1\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "one")
    return tmp_path


def test_record_is_plain_and_says_all():
    record = p.provenance({"a": 1}, code="c", seeds={"experiment": 3}, inputs={"store": "d"})
    assert json.loads(json.dumps(record)) == record
    assert (record["code"], record["seeds"], record["inputs"]) == ("c", {"experiment": 3}, {"store": "d"})
    about = record[p.ENVIRONMENT]
    assert about["gde"] and about["torch"] and about["processor"] and about["host"]
    assert about["cores"] >= about["cores_used"] >= 1
    assert len(about["lock"]) == len(record["config"]) == 64
    other = p.provenance({"a": 2}, code="c", seeds=[3], inputs={})
    assert other["config"] != record["config"] and other["seeds"] == [3]


def test_git_describes_commit_tag_and_changes(tree):
    commit = p.describe(tree)
    assert len(commit) >= 7 and not commit.endswith("-dirty")
    git(tree, "tag", "v1")
    (tree / "new.py").write_text("")
    p.describe.cache_clear()
    assert p.describe(tree) == "v1"  # what is not added is no change
    (tree / "a.py").write_text("x = 2\n")
    p.describe.cache_clear()
    assert p.describe(tree) == "v1-dirty"


def test_git_leaves_the_index_alone(tree):
    index = tree / ".git/index"
    os.utime(tree / "a.py", (1, 1))  # a refresh of the index would note the new time
    before = index.read_bytes()
    assert p.describe(tree)
    assert index.read_bytes() == before


@pytest.mark.parametrize("fault", ["no tree", "no git", "broken", "slow"])
def test_without_git_there_is_no_description(tree, tmp_path, monkeypatch, fault):
    if fault == "no tree":
        below = tmp_path / "venv/lib"
        below.mkdir(parents=True)
        assert p.describe(below) == ""  # installed inside another project's tree
        return
    stubs = tmp_path / "stubs"
    stubs.mkdir()
    if fault != "no git":
        script = "exit 128" if fault == "broken" else "exec sleep 60"
        (stubs / "git").write_text(f"#!/bin/sh\n{script}\n")
        (stubs / "git").chmod(0o755)
    if fault == "slow":
        real = subprocess.run
        monkeypatch.setattr(subprocess, "run", lambda *a, **o: real(*a, **o | {"timeout": 0.2}))
    monkeypatch.setenv("PATH", f"{stubs}:/bin" if fault == "slow" else str(stubs))
    assert p.describe(tree) == ""


def test_lock_is_of_what_is_installed(fresh, monkeypatch):
    class Installed:
        def __init__(self, name, version):
            self.name, self.version = name, version

    def lock(*packages):
        p.lock_digest.cache_clear()
        monkeypatch.setattr("importlib.metadata.distributions", lambda: [Installed(*package) for package in packages])
        return p.lock_digest()

    one = lock(("numpy", "1.0"), ("Typing_Extensions", "4"))
    assert lock(("typing-extensions", "4"), ("numpy", "1.0"), ("gde", "0.2")) == one  # order, case, gde itself
    assert lock(("numpy", "1.1"), ("typing-extensions", "4")) != one
    assert lock(("numpy", "1.0")) != one


def test_works_where_only_the_package_is(tmp_path):
    """Without repository, lock file and git."""
    (tmp_path / "gde").symlink_to(ROOT / "gde")
    code = "from gde.runs.provenance import software; import json; print(json.dumps(software()))"
    environment = {"PATH": "", "PYTHONPATH": str(tmp_path), "PYTHONSAFEPATH": "1"}
    script = f"import gde.runs.provenance as p; p.ROOT = p.Path({str(tmp_path)!r}); {code}"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    about = json.loads(done.stdout)
    assert about["git"] == "" and about["dirty"] is False and len(about["lock"]) == 64


def settings(config: dict) -> dict:
    return {key: config[key] for key in ("name", "seed", "dataset")}


def test_where_a_store_was_made_is_no_part_of_its_digest(tmp_path, elsewhere):
    config = tiny.experiment()
    prepare_store(settings(config), tmp_path / "a")
    elsewhere()
    prepare_store(settings(config), tmp_path / "b")
    a, b = (SetStore.open(tmp_path / name) for name in "ab")
    assert a.digest == b.digest
    records = [read_json(tmp_path / name / "provenance.json") for name in "ab"]
    assert records[0]["environment"] != records[1]["environment"]
    assert canonical_digest(tmp_path / "a/provenance.json") == canonical_digest(tmp_path / "b/provenance.json")
    assert "provenance.json" in read_sums(tmp_path / "a")  # so a damaged one is found
    assert records[0]["seeds"] == {"experiment": 0} and records[0]["inputs"] == {}
    runs = [train_run(config, tmp_path / name, tmp_path / "runs", tmp_path / "m", accelerator="cpu") for name in "ab"]
    assert runs[0] == runs[1]


def test_a_store_names_its_file(tmp_path, cells_h5ad):
    config = tiny.cells_experiment(cells_h5ad)
    prepare_store(settings(config), tmp_path / "s")
    record = read_json(tmp_path / "s/provenance.json")
    assert list(record["inputs"]) == ["cells.h5ad"]
    assert record["dataset"] == config["dataset"]
    assert record["seeds"] == {"experiment": 0, "split": 0}


@pytest.mark.parametrize("kind", DATASETS)
def test_every_source_takes_a_record(kind):
    """Else its store would not say where it came from."""
    import inspect

    assert "provenance" in inspect.signature(prepare_of(kind)).parameters


def test_equal_results_made_elsewhere_are_equal(tmp_path, family_store, elsewhere):
    """Model, embeddings and samples differ in bytes, and in nothing that counts."""
    from gde.embed import embed_to_h5ad
    from gde.runs.verify import canonical_digests, compare
    from gde.sample import sample_test_sets

    config = tiny.experiment({"training.steps": 4})
    for name in "ab":
        folder = tmp_path / name
        train_run(config, family_store.path, folder / "runs", folder / "x/model", accelerator="cpu")
        embed_to_h5ad(folder / "x/model", family_store.path, folder / "x/embeddings.h5ad", device=tiny.CPU)
        sample_test_sets(folder / "x/model", folder / "x/embeddings.h5ad", folder / "x/samples.h5ad", device=tiny.CPU)
        elsewhere()
    a, b = (canonical_digests(tmp_path / name / "x") for name in "ab")
    assert len(a) == 4
    compare(a, b, tmp_path / "a", tmp_path / "b")
    for file in ("model/config.json", "embeddings.h5ad", "samples.h5ad"):
        assert (tmp_path / "a/x" / file).read_bytes() != (tmp_path / "b/x" / file).read_bytes()
