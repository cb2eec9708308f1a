"""`gde init`: an experiment of a user's file, with its groups and values."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import tiny

from gde.config import resolve
from gde.prepare.common.grouping import guess_groupby


def test_init_writes_an_experiment_that_resolves_and_prepares(project, run, refused):
    shutil.copy("cells.h5ad", "My data-2.h5ad")
    status, out, _ = run("init", "My data-2.h5ad", "--groupby", "donor", "cell_type")
    assert status == 0
    assert "snakemake results/my_data_2/embeddings.h5ad" in out
    config = resolve("my_data_2", {"experiments": ["my_data_2"]}, project)
    assert config["dataset"]["groupby"] == ["donor", "cell_type"]
    assert config["dataset"]["values"] == "counts"
    assert config["dataset"]["path"] == "My data-2.h5ad"
    tiny.prepare(config, project / "results/sets/my_data_2")
    text = Path("config/experiments/my_data_2.yaml").read_text()
    assert "donor (12)" in text
    assert "cell_type (2)" in text
    # the commented suggestions are valid too
    keys = ("# encoder:", "# generator:", "# latent_dim:", "# training:")
    lines = [line.removeprefix("# ") if line.startswith(keys) else line for line in text.splitlines()]
    Path("config/experiments/my_data_2.yaml").write_text("\n".join(lines))
    assert resolve("my_data_2", {"experiments": []}, project)["training"]["set_size"] == 64
    refused("init", "My data-2.h5ad", parts=["my_data_2.yaml", "give --name"])
    assert Path("config/experiments/my_data_2.yaml").read_text() == "\n".join(lines)


def test_init_guesses_the_groups(project, run):
    assert run("init", "cells.h5ad", "--name", "guessed")[0] == 0
    assert resolve("guessed", {"experiments": []}, project)["dataset"]["groupby"] == ["donor"]


def test_what_experiments_are_made_of_comes_first():
    assert guess_groupby({"cell_type": 10, "donor": 8, "batch": 2}, 700, Path("x.h5ad")) == ["donor"]
    assert guess_groupby({"cell_type": 10, "batch": 2, "donor": 300}, 700, Path("x.h5ad")) == ["cell_type"]


@pytest.mark.parametrize("values", ["counts", "fractional_counts", "few_fractions", "normalised", "lognorm", "scaled"])
@pytest.mark.parametrize("form", ["sparse", "dense"])
def test_init_recognises_the_values(project, run, values, form):
    adata = tiny.cells()
    x = adata.X.toarray()
    per_10k = x / x.sum(1, keepdims=True) * 1e4
    depth = np.geomspace(1, 10, len(x))[:, None]
    fractions = np.where(x > 1, x - 0.25, x)
    x = {
        "counts": x,
        "fractional_counts": fractions * np.rint(depth),
        "few_fractions": np.where(depth > 5, fractions, x),
        "normalised": per_10k,
        "lognorm": np.log1p(per_10k),
        "scaled": x - x.mean(0),
    }[values]
    adata.X = type(adata.X)(x) if form == "sparse" else x
    adata.write_h5ad("x.h5ad")
    assert run("init", "x.h5ad", "--name", "xx")[0] == 0
    found = resolve("xx", {"experiments": []}, project)["dataset"]
    assert found["values"] == {"few_fractions": "fractional_counts"}.get(values, values)
    tiny.prepare(resolve("xx", {"experiments": []}, project), project / "results/sets/xx")  # what is proposed runs


def test_init_of_a_long_path_and_odd_names(project, run):
    folder = Path("a folder: with, odd [signs] # and spaces " * 4)
    folder.mkdir()
    adata = tiny.cells()
    adata.obs["odd: column, no. 1"] = adata.obs["donor"]
    adata.write_h5ad(folder / "x.h5ad")
    assert run("init", folder / "x.h5ad", "--name", "odd", "--groupby", "odd: column, no. 1", "cell_type")[0] == 0
    dataset = resolve("odd", {"experiments": []}, project)["dataset"]
    assert dataset["path"] == str(folder / "x.h5ad")
    assert dataset["groupby"] == ["odd: column, no. 1", "cell_type"]


def test_init_mistakes(project, refused):
    before = sorted(os.listdir("config/experiments"))
    refused("init", "nothing.h5ad", parts=["nothing.h5ad"])
    refused("init", "cells.h5ad", "--name", "new", "--groupby", "doner", parts=["doner", "donor"])
    refused("init", "cells.h5ad", "--name", "1x", parts=["--name", "'1x'"])
    refused("init", "cells.h5ad", "--name", "runs", parts=["runs"])
    refused("init", "config/config.yaml", "--name", "new", parts=["config.yaml"])
    adata = tiny.cells()
    adata.obs = adata.obs[[]]
    adata.write_h5ad("bare.h5ad")
    refused("init", "bare.h5ad", parts=["no column that groups cells", "--groupby"])
    assert sorted(os.listdir("config/experiments")) == before
