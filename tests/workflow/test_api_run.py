"""`gde.train` and the workflow make the same run."""

import os
from pathlib import Path

import pytest
import tiny
import yaml

import gde
from gde.files.io import read_json

pytestmark = pytest.mark.workflow
KEYS = {**tiny.SMALL, "training": tiny.SMALL["training"] | {"torch_threads": 2}}
DATASET = {"groupby": ["donor", "cell_type"], "values": "counts", "n_pcs": 5, "split": {"by": "group", "seed": 3}}


def test_both_roads_lead_to_the_same_run(project, snakemake, tmp_path_factory, monkeypatch):
    """The same id, weights, log and store, bit for bit: the function in this process, the workflow in its jobs."""
    there = tmp_path_factory.mktemp("api")
    monkeypatch.chdir(there)
    model = gde.train(tiny.cells(), dataset=DATASET, name="mine", seed=5, preset="laptop", accelerator="cpu", **KEYS)
    file = Path("results/sets/mine.h5ad")
    (project / file).parent.mkdir(parents=True)
    os.link(there / file, project / file)
    written = {"dataset": {"kind": "h5ad", "path": str(file), **DATASET}, **KEYS}
    (project / "config/experiments/mine.yaml").write_text(yaml.safe_dump(written))
    done = snakemake(project, "results/mine/model", "--config", "seed=5", "accelerator=cpu")
    assert done.returncode == 0, done.stdout + done.stderr
    config = read_json(project / "results/mine/model/config.json")
    assert config["run"] == model.config["run"]
    assert {**config, "budget": 0, "provenance": 0} == {**model.config, "budget": 0, "provenance": 0}
    for name in ("results/mine/model/model.safetensors", "results/sets/mine/SHA256SUMS"):
        lines = [(root / name).read_bytes() for root in (there, project)]
        if name.endswith("SUMS"):
            lines = [[line for line in text.splitlines() if b"provenance" not in line] for text in lines]
        assert lines[0] == lines[1], name
    monkeypatch.chdir(project)  # and the function takes what the workflow made
    again = gde.train(file, dataset=DATASET, name="mine", seed=5, accelerator="cpu", **KEYS)
    assert again.config["provenance"] == config["provenance"]
