"""A trained project, and the command line in it."""

import os
import shutil
from pathlib import Path

import pytest
import tiny
import yaml
from projects import EXPERIMENTS, train

import gde
from gde.cli import main
from gde.files.io import read_json
from gde.files.seals import write_sealed_json
from gde.runs.publishing import keep_metrics


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A project with two trained experiments, `tiny` (families) and `cells`, one of them with metrics."""
    root = tmp_path_factory.mktemp("project")
    (root / "config/experiments").mkdir(parents=True)
    (root / "config/config.yaml").write_text("experiments: [tiny, cells]\n")
    tiny.cells().write_h5ad(root / "cells.h5ad")
    (root / "resources").mkdir()
    shutil.copy(Path(gde.__file__).parents[1] / "resources/sources.yaml", root / "resources")
    dataset = {"kind": "h5ad", "path": "cells.h5ad", "groupby": ["donor", "cell_type"], "n_hvg": None, "n_pcs": 5}
    for name, data in {"tiny": tiny.FAMILY, "cells": dataset}.items():
        text = yaml.safe_dump({**tiny.SMALL, "dataset": data})
        (root / f"config/experiments/{name}.yaml").write_text(text)
    before = Path.cwd()
    os.chdir(root)
    try:
        for name in EXPERIMENTS:
            assert train(root, name) == 0
        run = read_json(root / "results/tiny/model/config.json")["run"]
        write_sealed_json(root / "results/tiny/metrics.json", tiny.metrics(run))
        keep_metrics(root / "results/tiny/metrics.json", root / "results/runs")
    finally:
        os.chdir(before)
    return root


@pytest.fixture
def project(trained, tmp_path, monkeypatch, no_fsync):
    """A copy of the trained project to work in."""
    root = tmp_path / "project"
    shutil.copytree(trained, root)
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def run(capsys):
    """run(*arguments) -> (status, stdout, stderr)"""

    def run(*arguments):
        capsys.readouterr()
        status = main([str(a) for a in arguments])
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def refused(run):
    """refused(*arguments, parts=[...]): exits 2, one line has every part; nothing on stdout unless `prints`."""

    def refused(*arguments, parts, prints=False):
        status, out, err = run(*arguments)
        assert status == 2
        assert bool(out) == prints
        assert err.startswith("gde: ")
        assert err.count("\n") == 1
        for part in parts:
            assert part in err

    return refused
