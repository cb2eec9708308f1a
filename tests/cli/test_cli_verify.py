"""`gde verify`: which results are equal, and which file differs."""

import shutil
from pathlib import Path

import anndata as ad
import numpy as np
import pytest

from gde.cli import main
from gde.files.io import read_json, write_json, write_sums
from gde.files.seals import write_sealed_json
from gde.runs.card import write_card


def test_verify_finds_equal_results_equal(project, run):
    write_card(
        Path("results/tiny/model"),
        Path("results/tiny/metrics.json"),
        Path("results/tiny/MODEL_CARD.md"),
        description="a tiny one",
    )
    main(["embed", "cells", "cells.h5ad", "--groupby", "donor", "-o", "results/tiny/embeddings.h5ad"])
    shutil.copytree("results/tiny", "other")
    main(["embed", "cells", "cells.h5ad", "--groupby", "donor", "-o", "other/embeddings.h5ad"])
    for name, change in (("metrics.json", {"seconds": 9}), ("model/config.json", {"seconds": 7.5})):
        content = read_json(Path("other") / name)
        content["budget"] |= change
        record = content["provenance"]["environment"]
        content["provenance"]["environment"] = record | {"host": "another", "git": "v9-dirty", "lock": "x"}
        (write_sealed_json if name == "metrics.json" else write_json)(Path("other") / name, content)
    write_sums(Path("other/model"))
    write_card(Path("other/model"), Path("other/metrics.json"), Path("other/MODEL_CARD.md"), description="a tiny one")
    status, out, _ = run("verify", "results/tiny", "other")
    assert status == 0
    assert "the same 5 results" in out


@pytest.mark.parametrize("file", ["metrics.json", "embeddings.h5ad", "extra.txt"])
def test_verify_names_what_differs(project, run, refused, file, capsys):
    main(["embed", "cells", "cells.h5ad", "--groupby", "donor", "-o", "results/tiny/embeddings.h5ad"])
    shutil.copytree("results/tiny", "other")
    if file == "metrics.json":
        content = read_json(Path("other/metrics.json"))
        content["metrics"]["reconstruction/w2"]["value"] += 1e-12
        write_sealed_json(Path("other/metrics.json"), content)
    elif file == "extra.txt":
        (project / "other/extra.txt").write_text("x")
    else:
        z = ad.read_h5ad("other/embeddings.h5ad")
        z.X[0, 0] = np.nextafter(z.X[0, 0], np.float32(9))
        z.write_h5ad("other/embeddings.h5ad")
    capsys.readouterr()
    refused("verify", "results/tiny", "other", parts=["other: found other results in", file])


def test_verify_of_nothing_damage_and_too_many(project, refused):
    refused("verify", "results/nothing", parts=["results/nothing", "no such directory"])
    refused("verify", "a", "b", "c", parts=["3 directories"])
    with Path("results/tiny/model/model.safetensors").open("ab") as f:
        f.write(b"x")
    refused("verify", "results/tiny", "results/tiny", parts=["model.safetensors", "damaged"])
