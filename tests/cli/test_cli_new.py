"""`gde new`: a directory of one's own."""

from pathlib import Path

import pytest

from gde.config import find_all


@pytest.mark.parametrize("place", ["own", "deep/er/own", "empty"])
def test_it_holds_what_a_workflow_needs(run, tmp_path, monkeypatch, place):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    status, out, _ = run("new", place)
    assert status == 0 and f"cd {place}" in out and "export SNAKEMAKE_PROFILE" in out
    own = tmp_path / place
    files = ["README.md", "Snakefile", "config/config.yaml", "profiles/local/config.yaml", "profiles/slurm/config.yaml"]
    assert sorted(str(f.relative_to(own)) for f in own.rglob("*") if f.is_file()) == files
    assert (own / "config/experiments").is_dir()
    found = find_all(None, own, ["config/config.yaml"])
    assert not found.problems and found.settings["experiments"] == [] and "gmm" in found.experiments
    assert len((own / "README.md").read_text().splitlines()) < 15


@pytest.mark.parametrize("there", ["file", "full"])
def test_what_is_there_stays(run, refused, tmp_path, monkeypatch, there):
    monkeypatch.chdir(tmp_path)
    if there == "file":
        Path("own").write_text("mine")
    else:
        Path("own").mkdir()
        Path("own/notes.txt").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    refused("new", "own", parts=["own: found a", "expected a new or empty"])
    assert sorted(tmp_path.rglob("*")) == before
