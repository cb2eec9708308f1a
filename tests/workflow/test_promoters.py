"""Promoters and reporter assays: from files to metrics, figures and FASTA, at the smoke preset."""

import gzip
import json

import pandas as pd
import pytest
from copies import SMOKE, copy_project
from drawn import draw_all
from simulators.promoters import simulate_promoters

from gde.sets.store.set_store import SetStore

pytestmark = pytest.mark.workflow
CONDITIONS = ("galactose", "glycerol", "Abf1TATA", "pTpA")
NAMES = ("gpra_dna", "gpra_dna_ordered", "gpra_dna_vae")


def override(name: str, files: dict[str, str], quantiles: int) -> str:
    """Other files, all four conditions of the experiment, and fewer quantiles."""
    given = ", ".join(f"{condition}: {file}" for condition, file in files.items())
    return f"{name}={{dataset: {{files: {{{given}}}, quantiles: {quantiles}, top: 2}}}}"


@pytest.fixture(scope="module")
def made(tmp_path_factory, snakemake):
    """A project in which all three experiments ran on simulated promoters, and the settings."""
    root = copy_project(tmp_path_factory.mktemp("promoters"))
    files = {c: f"data/{c}.txt.gz" for c in CONDITIONS}
    first = simulate_promoters(root / files["galactose"], 500, insert=40, seed=0)
    for seed, condition in enumerate(CONDITIONS[1:], 1):
        simulate_promoters(root / files[condition], 400, insert=40, seed=seed, shared=first)
    settings = [override(name, files, 12) for name in NAMES]
    targets = [f"results/{name}/metrics.json" for name in NAMES] + ["results/gpra_dna/samples.fasta.gz"]
    done = snakemake(root, *targets, *SMOKE, *settings, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    return root, targets, settings


@pytest.mark.parametrize("name", NAMES)
def test_files_become_metrics(made, name):
    report = json.loads((made[0] / f"results/{name}/metrics.json").read_text())
    found = {"axis/spearman", "extrapolation/auc", "oracle/pearson", "expression/spearman", "novelty/identity"}
    assert report["data"] == "user" and found <= set(report["metrics"])
    store = SetStore.open(made[0] / f"results/sets/{name}")
    assert store.sizes.sum() == 500 + 3 * 400 and set(store.groups["condition"]) == set(CONDITIONS)


def test_generated_promoters_say_what_they_are_for(made):
    with gzip.open(made[0] / "results/gpra_dna/samples.fasta.gz", "rt") as f:
        lines = f.read().splitlines()
    headers = [line for line in lines if line.startswith(">")]
    for part in ("quantile=", "condition=", "seed=0", "run=gpra_dna-"):
        assert all(part in header for header in headers)
    assert set("".join(line for line in lines if not line.startswith(">"))) <= set("ACGTN")


def test_every_figure_is_drawn(made, tmp_path):
    assert "expression_axis" in draw_all(made[0], "gpra_dna", tmp_path)


def test_nothing_is_planned_again_but_a_figure(made, planned):
    root, targets, settings = made
    figure = "results/gpra_dna/figures/expression_axis.svg"
    assert planned(root, *targets, figure, *SMOKE, *settings) == {"figure": 1}


def test_published_files_are_fetched_and_missing_ones_named(project, snakemake, planned):
    assert planned(project, "results/sets/gpra_dna", *SMOKE) == {"fetch": 4, "prepare": 1}
    wrong = override("gpra_dna", {"pTpA": "mine/none.txt.gz"}, 12)
    done = snakemake(project, "-n", "results/sets/gpra_dna", *SMOKE, wrong)
    assert done.returncode == 2 and "dataset.files.pTpA: found no file 'mine/none.txt.gz'" in done.stdout + done.stderr


def test_a_table_of_elements_becomes_metrics(project, snakemake):
    truth = simulate_promoters(project / "data/one.txt.gz", 400, insert=40, unknown=0, seed=0)
    rows = {"seq_id": [f"e{i}_F" for i in range(400)], "seq": truth.sequences, "mean_value": truth.expression}
    pd.DataFrame(rows).to_csv(project / "data/elements.tsv", sep="\t", index=False)
    settings = "mpra_bins={dataset: {path: data/elements.tsv, length: 80, bins: 8}}"
    done = snakemake(project, "results/mpra_bins/metrics.json", *SMOKE, settings, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((project / "results/mpra_bins/metrics.json").read_text())
    assert "axis/spearman" in report["metrics"] and "extrapolation/auc" not in report["metrics"]


def test_excerpts_become_metrics(project, snakemake, excerpt):
    """Real promoters under other conditions' names; the report calls them an excerpt."""
    files = sorted(excerpt("gpra").glob("*.txt.gz"))
    settings = override("gpra_dna", dict(zip(CONDITIONS, map(str, files), strict=True)), 100)
    done = snakemake(project, "results/gpra_dna/metrics.json", *SMOKE, settings, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((project / "results/gpra_dna/metrics.json").read_text())
    assert report["data"] == "excerpt" and report["metrics"]["oracle/pearson"]["n"] > 50
