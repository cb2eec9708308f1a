"""`gde init` of files that a kind of data is for: they are recognised, and what is written is checked and prepares."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tiny
import yaml
from simulators.methylation import simulate_methylation
from simulators.promoters import simulate_promoters
from simulators.pubmed import simulate_baseline
from simulators.spike_files import write_gisaid
from simulators.spikes import simulate_epidemic

from gde.config import resolve
from gde.config.datasets import DATASETS

sys.path.insert(0, str(Path(__file__).parents[1] / "prepare"))
import test_mpra as mpra
import test_tenx as tenx


def ten(form: str):
    def write() -> list[str]:
        x = np.random.default_rng(0).poisson(3.0, (tenx.CELLS, tenx.GENES + tenx.TAGS)) + 1
        path = tenx.folder(Path("outs"), x) if form == "folder" else tenx.h5_v3(Path("outs.h5"), x)
        return [str(path), "--barcodes", str(tenx.table(Path("cells.csv")))]

    return write


def reads(bam: bool):
    def write() -> list[str]:
        simulate_methylation(Path("reads"), samples=3, fragments=100, bam=bam)
        files = sorted(map(str, Path("reads").glob("*.bam" if bam else "*.pat.gz")))
        genome = next(
            str(f) for f in Path("reads").iterdir() if f.suffix in (".fa", ".fasta") or f.name.endswith(".fa.gz")
        )
        return [*files, "--genome", genome, "--name", "mine"]

    return write


def promoters() -> list[str]:
    for seed, condition in enumerate(("glucose", "galactose")):
        simulate_promoters(Path(f"{condition}.txt.gz"), 900, seed=seed)
    return ["glucose.txt.gz", "galactose.txt.gz", "--name", "mine"]


def elements() -> list[str]:
    mpra.elements().to_csv("elements.tsv", sep="\t", index=False)
    return ["elements.tsv"]


def barcodes() -> list[str]:
    mpra.barcodes()[0].to_csv("barcodes.tsv.gz", sep="\t", index=False)
    return ["barcodes.tsv.gz"]


def citations() -> list[str]:
    return [*map(str, simulate_baseline().write(Path("pubmed"))), "--name", "mine"]


def spikes() -> list[str]:
    write_gisaid(simulate_epidemic(), Path("spikes.fasta"), defects=0.1)
    return ["spikes.fasta"]


@pytest.mark.parametrize(
    ("kind", "write", "expected"),
    [
        ("tenx", ten("h5"), {"groupby": ["donor"], "barcode": "barcode"}),
        ("tenx", ten("folder"), {"groupby": ["donor"]}),
        ("methylation", reads(bam=False), {"files": ["reads/*.pat.gz"]}),
        ("methylation", reads(bam=True), {}),
        ("gpra", promoters, {"files": {"glucose": "glucose.txt.gz", "galactose": "galactose.txt.gz"}}),
        ("mpra_bins", elements, {"columns": {"name": "seq_id", "sequence": "seq", "activity": "mean_value"}}),
        ("mpra_barcodes", barcodes, {}),
        ("pubmed", citations, {"files": ["pubmed/*.xml.gz"], "min_docs": 50}),
        ("virus", spikes, {"source": "gisaid"}),
    ],
    ids=["h5", "folder", "pat", "bam", "promoters", "elements", "barcodes", "pubmed", "spikes"],
)  # fmt: skip
def test_each_kind_recognises_its_files(tmp_path, monkeypatch, run, kind, write, expected):
    monkeypatch.chdir(tmp_path)
    config = Path("config")
    config.mkdir()
    (config / "config.yaml").write_text("experiments: []\n")
    arguments = write()
    status, out, err = run("init", *arguments)
    assert status == 0, err
    name = out.partition("results/")[2].partition("/")[0]
    resolved = resolve(name, {"experiments": [name]}, tmp_path)
    dataset = resolved["dataset"]
    assert {key: dataset[key] for key in ("kind", *expected)} == {"kind": kind, **expected}
    status, out, err = run("check", name)
    assert (status, err.count("found")) == (0, 0), err
    store = tiny.prepare(resolved, tmp_path / "sets")
    assert set(store.groups["split"]) == {"train", "validation", "test"}
    file = Path(f"config/experiments/{name}.yaml")
    asleep = [line.replace("  # ", "  ", 1) for line in file.read_text().splitlines() if line.startswith("  # ")]
    for line in asleep:  # what is proposed in comments are keys of the kind
        assert set(yaml.safe_load(line)) <= set(DATASETS[kind].model_fields)


EXCERPTS = {
    "methylation": (["pat/*.pat.gz", "--genome", "ref/hg38mini.fa"], "methylation"),
    "gpra": (["DREAM2022_demo_pTpA_ALL.shuffled.txt.gz"], "gpra"),
    "mpra": (["K562_clean.tsv"], "mpra_bins"),
    "mpra barcodes": (["reporter_experiment_barcode.input.tsv.gz"], "mpra_barcodes"),
    "pubmed": (["pubmedsample18n0001.xml.gz"], "pubmed"),
    "spike": (["spikeprot0430.fasta"], "virus"),
}


@pytest.mark.parametrize("name", EXCERPTS)
def test_real_files_are_recognised(tmp_path, monkeypatch, run, excerpt, name):
    monkeypatch.chdir(tmp_path)
    folder, (given, kind) = excerpt(name.partition(" ")[0]), EXCERPTS[name]
    Path("config").mkdir()
    Path("config/config.yaml").write_text("experiments: []\n")
    arguments = [a if a.startswith("--") else str(f) for a in given for f in (sorted(folder.glob(a)) or [a])]
    assert run("init", *arguments, "--name", "mine")[0] == 0
    resolved = resolve("mine", {"experiments": ["mine"]}, tmp_path)
    assert resolved["dataset"]["kind"] == kind
    status, _, err = run("check", "mine")
    assert status == 0, err
    assert len(tiny.prepare(resolved, tmp_path / "sets")) >= 3


def test_what_belongs_to_the_files_is_asked_for(tmp_path, monkeypatch, refused):
    monkeypatch.chdir(tmp_path)
    outs = ten("h5")()[0]
    refused("init", outs, parts=[outs, "--barcodes TABLE"])
    refused("init", outs, "--barcodes", "cells.csv", "--groupby", "patient", parts=["'patient'", "donor, sex"])
    refused("init", outs, "--genome", "g.fa", parts=["--genome", "leave it out"])
    pd.DataFrame({"barcode": ["X", "Y"], "donor": ["A", "B"]}).to_csv("other.csv", index=False)
    refused("init", outs, "--barcodes", "other.csv", parts=["other.csv", "the barcodes of the matrix"])
    files = reads(bam=False)()
    refused("init", *files[:-4], parts=["--genome FASTA"])
    refused("init", "none.pat.gz", *files[1:], parts=["none.pat.gz", "no such file"])
    refused("init", *files[:-3], "none.fa", parts=["none.fa", "no such file"])
    refused("init", *files, "--groupby", "tissue", parts=["--groupby", "sample"])
    citations()
    refused("init", str(next(Path("pubmed").glob("*.xml.gz"))), "--groupby", "donor", parts=["--groupby", "term"])
    elements()
    refused("init", "elements.tsv", "elements.tsv", parts=["2 files", "expected one"])
    Path("few.xml").write_bytes(b"<?xml version='1.0'?><PubmedArticleSet></PubmedArticleSet>")
    refused("init", "few.xml", parts=["few.xml", "major MeSH terms"])
    assert not Path("config").exists()
