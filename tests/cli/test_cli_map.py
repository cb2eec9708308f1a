"""`gde map`: figures and tables of all groups in one directory, and one line for every mistake."""

import os
from pathlib import Path

import anndata as ad
import pandas as pd
import pytest
from simulators.cohort import simulate_cohort

from gde.cli import main
from gde.export.h5ad import write_anndata

FAST = ("--no-umap", "--permutations", "99")
MADE = {"associations", "distances", "map"}


@pytest.fixture
def embeddings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = simulate_cohort(24, disease=5.0, batch=1.0)
    write_anndata(data, tmp_path / "z.h5ad")
    return data


def run(*words):
    return main(["map", *map(str, words)])


def test_figures_and_tables(embeddings, capsys):
    assert run("z.h5ad", "-o", "out", *FAST) == 0
    expected = {f"{name}.{suffix}" for name in MADE for suffix in ("svg", "png", "tsv")}
    assert set(os.listdir("out")) == expected | {"map.h5ad", "SHA256SUMS"}
    table = pd.read_csv("out/map.tsv", sep="\t", index_col="name")
    assert list(table.index) == list(embeddings.obs_names) and {"pc_1", "pc_2", "disease"} <= set(table)
    found = pd.read_csv("out/associations.tsv", sep="\t", index_col="column")
    assert found.loc["disease", "p_value"] == 0.01
    matrix = pd.read_csv("out/distances.tsv", sep="\t", index_col="name")
    assert list(matrix.index) == list(matrix.columns) and (matrix.to_numpy() == matrix.to_numpy().T).all()
    out = capsys.readouterr().out
    assert "out: 24 groups" in out and "disease: " in out and "p = 0.01" in out
    assert "X_pca" in ad.read_h5ad("out/map.h5ad").obsm


def test_again_over_an_earlier_map_with_the_same_bytes(embeddings):
    for out in ("a", "b", "a"):
        assert run("z.h5ad", "-o", out, "--color", "disease", *FAST) == 0
    for name in os.listdir("a"):
        if not name.endswith(".h5ad") and name != "SHA256SUMS":
            assert Path("a", name).read_bytes() == Path("b", name).read_bytes(), name


def test_batches_beside_the_map_as_it_is(embeddings, capsys):
    assert run("z.h5ad", "-o", "out", "--batch", "batch", "--keep", "disease", *FAST) == 0
    made = {name.partition(".")[0] for name in os.listdir("out")}
    assert made == MADE | {f"{name}_corrected" for name in MADE} | {"SHA256SUMS"}
    assert "disease: " in (out := capsys.readouterr().out) and "within batch" in out
    assert "batch" not in pd.read_csv("out/associations_corrected.tsv", sep="\t")["column"].to_list()


def test_one_split_and_numbers_that_are_names(embeddings):
    assert run("z.h5ad", "-o", "out", "--split", "train", "--categories", "age", *FAST) == 0
    table = pd.read_csv("out/map.tsv", sep="\t")
    assert set(table["split"]) == {"train"} and len(table) == 16
    assert "age" not in pd.read_csv("out/associations.tsv", sep="\t")["column"].to_list()  # a name of its own each


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["z.h5ad", "--color", "sex"], "obs column 'sex': found no such column, expected one of group, split"),
        (["z.h5ad", "--batch", "pool"], "obs column 'pool'"),
        (["z.h5ad", "--keep", "disease"], "--keep: found no --batch"),
        (["z.h5ad", "--unit", "x"], "obs column 'x'"),
        (["z.h5ad", "--split", "validation"], "0 groups, expected 3 or more"),
        (["y.h5ad"], "y.h5ad: found no such file"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(embeddings, capsys, words, message):
    assert run(*words, "-o", "out", *FAST) == 2
    error = capsys.readouterr().err.splitlines()
    assert message in error[-1] and error[-1].startswith("gde: ")
    assert not os.path.exists("out")


def test_a_directory_with_other_files_is_not_overwritten(embeddings, capsys):
    assert run("z.h5ad", "-o", ".", *FAST) == 2
    assert "found a directory with z.h5ad" in capsys.readouterr().err
    assert os.path.exists("z.h5ad")
