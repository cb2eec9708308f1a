"""`gde embed` and `gde sample` of a trained model, and one line for every mistake."""

import os
import shutil
from pathlib import Path

import anndata as ad
import numpy as np
import pytest
import yaml
from projects import edit, id_of, train

from gde.cli import main
from gde.model import GDE


@pytest.mark.parametrize("word", ["cells", "id", "hash", "results/cells/model"])
def test_embed_and_sample(project, run, word):
    word = {"id": id_of("cells"), "hash": id_of("cells")[-8:]}.get(word, word)
    status, out, _ = run("embed", word, "cells.h5ad", "--groupby", "donor", "cell_type", "-o", "out/z.h5ad")
    assert status == 0
    assert "24 embeddings of length 4" in out
    z = ad.read_h5ad("out/z.h5ad")
    assert z.shape == (24, 4)
    assert z.uns["gde"]["run"] == id_of("cells")
    status, out, _ = run("sample", word, "out/z.h5ad", "-n", 3, "-o", "out/x.h5ad")
    assert status == 0
    assert "3 samples of each of 24 sets" in out
    assert ad.read_h5ad("out/x.h5ad").shape == (72, 30)
    assert sorted(os.listdir("out")) == ["x.h5ad", "z.h5ad"]


def test_the_models_own_columns_are_the_default(project, run):
    """All samples as one set is asked for, never got by leaving something out."""
    _, named, _ = run("embed", "cells", "cells.h5ad", "--groupby", "donor", "cell_type", "-o", "a.h5ad")
    status, out, _ = run("embed", "cells", "cells.h5ad", "-o", "b.h5ad")
    assert status == 0 and "24 embeddings" in out and "grouped by donor, cell_type" in out
    assert out.replace("b.h5ad", "a.h5ad") == named
    assert (ad.read_h5ad("a.h5ad").X == ad.read_h5ad("b.h5ad").X).all()
    status, out, _ = run("embed", "cells", "cells.h5ad", "-o", "c.h5ad", "--groupby")
    assert status == 0 and "1 embeddings" in out and "all samples are one set" in out
    data = ad.read_h5ad("cells.h5ad")
    del data.obs["donor"]
    data.write_h5ad("other.h5ad")
    status, _, error = run("embed", "cells", "other.h5ad", "-o", "d.h5ad")
    assert status == 2 and "donor" in error and not Path("d.h5ad").exists()


def test_totals_from_a_column(project, run):
    """Of a file that lacks genes, the same embeddings where the column is the total of training, and it is said."""
    edit(project, "cells", dataset=dataset("cells") | {"n_hvg": 12})
    shutil.rmtree("results/sets/cells")
    assert train(project, "cells") == 0
    assert run("embed", "cells", "cells.h5ad", "-o", "whole.h5ad")[0] == 0
    data = ad.read_h5ad("cells.h5ad")
    data.obs["n_counts"] = np.asarray(data.X.sum(1)).ravel()
    data.obs["n_genes"] = 3
    names = GDE.load("results/cells/model").features.names
    data[:, names].copy().write_h5ad("part.h5ad")
    status, _, error = run("embed", "cells", "part.h5ad", "-o", "refused.h5ad")
    assert status == 2 and "part.h5ad: found 18 of the 30 features missing that totals were of in training" in error
    assert "--totals" in error and not Path("refused.h5ad").exists()
    status, _, error = run("embed", "cells", "part.h5ad", "--totals", "n_genes", "-o", "refused.h5ad")
    assert status == 2 and "a total of 3 for" in error
    for more in ([], ["--cells"]):
        assert run("embed", "cells", "part.h5ad", "--totals", "n_counts", "-o", "part.out.h5ad", *more)[0] == 0
        whole, part = ad.read_h5ad("whole.h5ad"), ad.read_h5ad("part.out.h5ad")
        order = part.obs["set"] if more else whole.obs_names
        np.testing.assert_allclose(part.obsm["X_gde"], whole[order].X, rtol=1e-4, atol=1e-5)
    groups = ["D00|T", "D01|T", "--permutations", "9", "--totals", "n_counts"]
    assert run("compare-groups", "cells", "part.h5ad", *groups)[0] == 0
    assert run("compare-groups", "cells", "part.h5ad", *groups[:-2])[0] == 2


def dataset(name: str) -> dict:
    return yaml.safe_load(Path(f"config/experiments/{name}.yaml").read_text())["dataset"]


def test_embed_cells(project, run):
    status, out, _ = run("embed", "cells", "cells.h5ad", "--groupby", "donor", "--cells", "-o", "out/c.h5ad")
    assert status == 0
    assert "cells with the embedding of their group in obsm['X_gde']" in out
    cells = ad.read_h5ad("out/c.h5ad")
    assert cells.obsm["X_gde"].shape == (ad.read_h5ad("cells.h5ad").n_obs, 4)


def test_embed_mistakes(project, refused):
    def embed(*arguments, parts):
        refused("embed", *arguments, "-o", "z.h5ad", parts=parts)
        assert not Path("z.h5ad").exists()

    embed("cell", "cells.h5ad", parts=["'cell'", id_of("cells")])
    embed("cells", "nothing.h5ad", parts=["nothing.h5ad"])
    embed("cells", "cells.h5ad", "--groupby", "doner", parts=["doner", "donor"])
    embed("cells", "cells.h5ad", "--layer", "counts", parts=["counts"])
    embed("cells", "cells.h5ad", "--use-raw", parts=["raw"])
    embed("tiny", "cells.h5ad", parts=["no preprocessing"])
    Path("cut.h5ad").write_bytes(Path("cells.h5ad").read_bytes()[:3000])
    embed("cells", "cut.h5ad", parts=["cut.h5ad"])
    embed("config", "cells.h5ad", parts=["config", "SHA256SUMS"])


def test_sample_mistakes(project, refused, capsys):
    main(["embed", "cells", "cells.h5ad", "-o", "z.h5ad"])
    capsys.readouterr()
    refused("sample", "cells", "nothing.h5ad", "-o", "x.h5ad", parts=["nothing.h5ad"])
    refused("sample", "cells", "cells.h5ad", "-o", "x.h5ad", parts=["30 columns", "latent_dim"])
    with pytest.raises(SystemExit) as e:
        main(["sample", "cells", "z.h5ad", "-n", "0", "-o", "x.h5ad"])
    assert e.value.code == 2
    assert "expected 1 to" in capsys.readouterr().err
    assert not Path("x.h5ad").exists()


def test_an_unfinished_run_has_no_model(project, refused):
    name = id_of("cells")
    shutil.rmtree(f"results/runs/{name}/model")
    refused("embed", "cells", "cells.h5ad", "-o", "z.h5ad", parts=[name, "training has not finished"])
