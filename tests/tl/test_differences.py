"""The command and the function that tell which groups differ."""

import json

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import tiny
import torch

import gde
from gde.cli import main
from gde.errors import GdeError
from gde.model import GDE
from gde.tl.comparison import compare_samples
from gde.tl.differences import in_words


def untrained(dim=2) -> GDE:
    """A model of random weights: the test is valid for any."""
    torch.manual_seed(0)
    config = tiny.experiment({"encoder": {"kind": "resnet", "hidden": 16, "layers": 1}}) | {"run": "tiny-00000000"}
    return tiny.perturb(GDE(config, mean=torch.zeros(dim), scale=torch.full((dim,), 2.0)))


@pytest.fixture
def project(tmp_path, no_fsync):
    """A model and a store of three groups: two alike, one apart, one of a single sample, one that trains."""
    import pandas as pd

    from gde.sets.store.writer import StoreWriter

    untrained().save(tmp_path / "model")
    rng = np.random.default_rng(0)
    sizes = {"liver": 60, "lung": 80, "skin": 50, "hair": 1, "bone": 40}
    shift = np.repeat([0.0, 0.0, 1.5, 0.0, 0.0], list(sizes.values()))
    x = (rng.normal(size=(len(shift), 2)) + shift[:, None]).astype(np.float32)
    groups = pd.DataFrame({"group": sizes.keys(), "split": ["test"] * 4 + ["train"], "size": sizes.values()})
    with StoreWriter(tmp_path / "sets", groups=groups, sample_shape=(2,), seed=0) as writer:
        writer.write(x, np.repeat(np.arange(5), list(sizes.values())))
        writer.finish({"kind": "test", "data": "simulated"})
    return tmp_path


def run(project, *arguments: str) -> int:
    return main(["compare-groups", str(project / "model"), str(project / "sets"), *arguments])


def test_two_groups_are_printed_and_written(project, capsys):
    out = project / "result.json"
    assert run(project, "liver", "skin", "--permutations", "99", "--at-most", "50", "--json", str(out)) == 0
    shown = capsys.readouterr().out
    result = json.loads(out.read_text())
    assert result["groups"] == {"liver": {"samples": 60, "used": 50}, "skin": {"samples": 50, "used": 50}}
    (pair,) = result["pairs"]
    assert pair["p_value"] == pair["fdr"] == 0.01
    assert result["permutations"] == 99 and result["run"] == "tiny-00000000"
    assert pair["distance"] > 2 * pair["null_distance"]
    for word in ("liver", "p_value", "0.01", "differs at a false discovery rate of 5%", result["sentence"]):
        assert word in shown
    assert run(project, "liver", "lung", "--permutations", "99") == 0
    assert "0 differ at" in capsys.readouterr().out


def test_all_pairs_are_printed_and_written(project, capsys):
    assert run(project, "--permutations", "199", "-o", str(project / "pairs.tsv")) == 0
    shown = capsys.readouterr().out
    table = pd.read_csv(project / "pairs.tsv", sep="\t")
    assert set(table["first"]) | set(table["second"]) == {"liver", "lung", "skin"} and len(table) == 3
    assert "Of 3 pairs of groups, 2 differ" in shown and "left out: hair" in shown
    assert run(project, "--permutations", "9") == 0
    assert "with so few deals none can be below 0.1" in capsys.readouterr().out


def test_samples_that_train_are_compared_on_request(project, capsys):
    assert run(project, "liver", "bone", "--split", "all", "--permutations", "19") == 0
    assert "bone" in capsys.readouterr().out


@pytest.mark.parametrize("exact", [[], ["--exact"]])
def test_both_ways_find_the_same(project, capsys, exact):
    assert run(project, "liver", "skin", "--permutations", "99", *exact) == 0
    assert "1 differs" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["liver", "skim"], ["'skim'", "no such group", "skin"]),
        (["liver", "liver"], ["the same group twice"]),
        (["liver", "hair"], ["'hair'", "1 sample", "two or more"]),
        (["liver", "bone"], ["'bone'", "samples in train only", "--split train"]),
        (["liver", "skin", "--groupby", "donor"], ["a set store", "leave them out"]),
        (["liver"], ["one group", "--reference"]),
        (["--within", "batch"], ["--within", "--by"]),
        (["--reference", "skim"], ["'skim'", "skin"]),
        (["-o", "pairs.xlsx"], ["pairs.xlsx", ".tsv"]),
        (["--by", "disease", "--exact"], ["--by", "leave them out"]),
    ],
    ids=["unknown", "twice", "single", "split", "columns", "one", "within", "reference", "suffix", "exact"],
)
def test_mistakes_are_one_line(project, capsys, arguments, parts):
    assert run(project, *arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("gde: ")
    assert error.count("\n") == 1
    for part in parts:
        assert part in error


def test_a_store_of_other_features_is_refused(project):
    from gde.sets.store.set_store import SetStore

    with pytest.raises(GdeError, match=r"samples of shape \(2,\).*\(3,\)"):
        compare_samples(untrained(3), SetStore.open(project / "sets"), ["liver", "lung"])


@pytest.fixture(scope="module")
def cells(cells_store, cells_h5ad, tmp_path_factory) -> tuple[GDE, str, str]:
    """A model of cells, and their file with a column that differs between donors and one that differs inside them."""
    model = tiny.model_for(cells_store, tiny.cells_experiment(cells_h5ad))
    folder = tmp_path_factory.mktemp("cells")
    model.save(folder / "model")
    data = ad.read_h5ad(cells_h5ad)
    donors = sorted(data.obs["donor"].unique())
    data.obs["disease"] = data.obs["donor"].map({d: "ill" if i % 2 else "well" for i, d in enumerate(donors)})
    data.write_h5ad(folder / "cells.h5ad")
    return model, str(folder / "model"), str(folder / "cells.h5ad")


def test_groups_of_an_h5ad(cells, capsys):
    """After the model's own preprocessing; the two cell types differ, the groups of one type hardly."""
    _, model, data = cells
    command = ["compare-groups", model, data]
    assert main([*command, "T", "B", "--groupby", "cell_type", "--permutations", "99"]) == 0
    assert "1 differs" in capsys.readouterr().out
    assert main([*command, "D00|T", "D00|B", "--groupby", "donor", "cell_type", "--permutations", "19"]) == 0
    assert main([*command, "D00|T", "D00|B", "--permutations", "19"]) == 0  # the model's own columns
    capsys.readouterr()
    assert main([*command, "T", "B"]) == 2
    assert "no such group" in capsys.readouterr().err


def test_donors_are_the_unit(cells, capsys, tmp_path):
    model, path, data = cells
    out = tmp_path / "levels.json"
    assert main(["compare-groups", path, data, "--groupby", "donor", "--by", "disease", "--json", str(out)]) == 0
    shown, result = capsys.readouterr().out, json.loads(out.read_text())
    (pair,) = result["pairs"]
    assert {pair["first"], pair["second"]} == {"ill", "well"} and pair["p_value"] > 0.01
    assert result["by"] == "disease" and "levels of disease" in shown
    table = gde.tl.compare_groups(data, "donor", "disease", model=model)
    assert table["p_value"].item() == pair["p_value"]
    embeddings = model.embed(data, ["donor", "disease"])
    again = gde.tl.compare_groups(embeddings, by="disease")
    assert again["p_value"].item() == pair["p_value"] and "gde_compare_groups" in embeddings.uns
    embeddings.write_h5ad(tmp_path / "embeddings.h5ad")
    pd.testing.assert_frame_equal(
        ad.read_h5ad(tmp_path / "embeddings.h5ad").uns["gde_compare_groups"].reset_index(drop=True),
        again,
        check_dtype=False,
    )


def test_a_column_that_varies_in_a_donor_is_refused(cells, capsys):
    _, path, data = cells
    assert main(["compare-groups", path, data, "--groupby", "donor", "--by", "cell_type"]) == 2
    error = capsys.readouterr().err
    assert "'cell_type'" in error and "B, T inside 'D00'" in error and error.count("\n") == 1


def test_samples_of_an_anndata(cells):
    model, _, data = cells
    own = ad.read_h5ad(data)
    table = gde.tl.compare_groups(own, "cell_type", model=model, permutations=99)
    assert table["p_value"].item() == 0.01 and "gde_compare_groups" in own.uns
    with pytest.raises(GdeError, match="no model and no `by`"):
        gde.tl.compare_groups(own, "cell_type")


def test_the_file_that_trained_is_told(cells, cells_h5ad, capsys):
    _, path, data = cells
    command = ["T", "B", "--groupby", "cell_type", "--permutations", "19"]
    for file, told in ((cells_h5ad, True), (data, False)):
        assert main(["compare-groups", path, str(file), *command]) == 0
        assert ("most of these samples trained the model" in capsys.readouterr().out) == told


def test_a_label_that_trained_is_told(cells, capsys):
    model, _, data = cells
    model.config["objective"] = model.config["objective"] | {"label": "disease"}
    try:
        table = gde.tl.compare_groups(data, "donor", "disease", model=model)
    finally:
        del model.config["objective"]["label"]
    assert "trained to tell disease apart" in table.attrs["note"]


def test_a_store_of_another_preprocessing_is_refused(cells_store, cells_h5ad, tmp_path):
    """Components of other cells have the same number and another meaning."""
    from gde.sets.store.set_store import SetStore

    model = tiny.model_for(cells_store, tiny.cells_experiment(cells_h5ad))
    names = cells_store.groups["group"].iloc[:2].tolist()
    assert len(compare_samples(model, cells_store, names, split=None, permutations=9)) == 1
    tiny.cells(seed=1).write_h5ad(tmp_path / "other.h5ad")
    other = tiny.prepare(tiny.cells_experiment(tmp_path / "other.h5ad"), tmp_path / "other")
    with pytest.raises(GdeError, match=r"another preprocessing.*give the file that it was made from"):
        compare_samples(model, other, names, split=None, permutations=9)
    bare = tiny.store_of([np.ones((9, 5), np.float32)] * 2, tmp_path / "bare")
    with pytest.raises(GdeError, match="another preprocessing"):
        compare_samples(model, SetStore.open(bare.path), ["g0", "g1"], permutations=9)


def test_a_sentence_names_what_differs():
    table = pd.DataFrame({"first": ["a"], "second": ["b"], "effect": [2.0], "effect_low": [1.0], "effect_high": [3.0],
                          "effect_size": [0.5], "p_value": [0.001], "fdr": [0.001]})  # fmt: skip
    table.attrs["permutations"] = 999
    assert in_words(table) == (
        "Of 1 pair of groups, 1 differs at a false discovery rate of 5%: a and b (effect size 0.5, 0.25 to 0.75, "
        "p = 0.001)."
    )
