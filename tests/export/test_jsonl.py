"""Generated texts as JSON lines: one object for each, with what it was generated for."""

import gzip
import json

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import tiny
import torch

from gde.embed import embed_data
from gde.errors import GdeError
from gde.export.samples_jsonl import write_texts
from gde.files.sealed_gzip import read_about
from gde.model import GDE
from gde.sample import Written, draw, sample_to_file

LENGTH = 12


@pytest.fixture
def model():
    torch.manual_seed(0)
    parts = {
        "encoder": {"kind": "dna_conv", "hidden": 4, "layers": 1},
        "generator": {"kind": "gpt", "hidden": 8, "layers": 1, "heads": 2},
        "latent_dim": 3,
        "dataset": {"kind": "pubmed"},
        "evaluation": {"kind": "documents"},
    }
    config = tiny.experiment(**parts) | {"tokens": {"alphabet": "text", "length": LENGTH}}
    return GDE(config, mean=[0.0] * LENGTH, scale=[1.0] * LENGTH).eval()


@pytest.fixture
def embeddings():
    obs = pd.DataFrame({"group": ["a b", "ü"], "term": ["Viruses", "Käse"], "split": "test"}, index=["a b", "ü"])
    return ad.AnnData(np.random.default_rng(0).standard_normal((2, 3)).astype(np.float32), obs)


def write(model, embeddings, path):
    parts = draw(model, embeddings, np.array([2, 3]), 5)
    write_texts(path, Written(model, embeddings, parts, seed=5, about={"run": "r-1"}))


def test_every_text_has_a_line(model, embeddings, tmp_path):
    path = tmp_path / "samples.jsonl.gz"
    write(model, embeddings, path)
    lines = [json.loads(line) for line in gzip.decompress(path.read_bytes()).decode().splitlines()]
    assert [(line["set"], line["i"]) for line in lines] == [("a b", 0), ("a b", 1), ("ü", 0), ("ü", 1), ("ü", 2)]
    assert lines[-1]["labels"] == {"term": "Käse"}
    assert {(line["seed"], line["run"]) for line in lines} == {(5, "r-1")}
    assert all(0 < len(line["text"]) <= LENGTH for line in lines)
    assert read_about(path) == {"run": "r-1"}
    again = tmp_path / "again.jsonl.gz"
    write(model, embeddings, again)
    assert again.read_bytes() == path.read_bytes()


def test_another_ending_is_refused(model, embeddings, tmp_path):
    with pytest.raises(GdeError, match=r"expected a file name that ends in \.jsonl\.gz"):
        sample_to_file(model, embeddings, tmp_path / "z.h5ad", tmp_path / "samples.fasta.gz", n=2, seed=5)


def test_a_users_texts_are_embedded_from_a_table(model, tmp_path):
    """Column `text` unless another is named; residues of any language, quoted line ends."""
    texts = {"one": ["käse", "a,b"], "two": ["été\nici"]}
    rows = [{"term": term, "text": text} for term, of in texts.items() for text in of]
    pd.DataFrame(rows).to_csv(tmp_path / "texts.csv", index=False)
    found = embed_data(model, tmp_path / "texts.csv", "term")
    assert found.obs_names.tolist() == ["one", "two"]
    for row, of in zip(found.X, texts.values(), strict=True):
        x = torch.from_numpy(model.alphabet.pad(of, LENGTH))[None]
        np.testing.assert_allclose(row, model.embed(x)[0], rtol=1e-5, atol=1e-5)
    with pytest.raises(GdeError, match=r"found 13 residues, expected at most dataset\.length = 12"):
        pd.DataFrame([{"term": "x", "text": "é" * 6 + "a"}]).to_csv(tmp_path / "long.csv", index=False)
        embed_data(model, tmp_path / "long.csv", "term")
