"""`gde embed` and `gde sample` of a trained model, and one line for every mistake."""

import os
import shutil
from pathlib import Path

import anndata as ad
import pytest
from projects import id_of

from gde.cli import main


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
