"""Protein families, motifs and abstracts: from files, or a listing, to metrics and figures."""

import json

import pandas as pd
import pytest
import yaml
from copies import ROOT, SMOKE, copy_project
from drawn import draw_all
from simulators.families import simulate_families
from simulators.pubmed import simulate_baseline

from gde.config import resolve
from gde.config.evaluations import EVALUATIONS
from gde.sets.store.set_store import SetStore

pytestmark = [pytest.mark.workflow, pytest.mark.slow]
TINY = "encoder: {hidden: 8, layers: 1}, generator: {hidden: 8, layers: 1, heads: 2}, latent_dim: 4"
SMALL = (
    f"protein_motifs={{dataset: {{size: 1000}}, {TINY}, training: {{steps: 12}}}}",
    f"pfam={{{TINY}, dataset: {{length: 48}}, training: {{steps: 12}}}}",
    f"pubmed={{{TINY}, dataset: {{baseline: 2, length: 96, min_docs: 10}}, training: {{steps: 12}}, "
    "evaluation: {generated: 2, scored: 2}}",
)
KINDS = {"protein_motifs": "patterns", "pfam": "protein_families", "pubmed": "documents"}


@pytest.fixture(scope="module")
def results(tmp_path_factory, snakemake):
    root = copy_project(tmp_path_factory.mktemp("language"))
    simulate_families(root / "resources/pfam/Pfam-A.fasta.gz", families=24, domains=34, length=40)
    mirror = tmp_path_factory.mktemp("mirror")
    simulate_baseline(topics=6, documents=50, files=3).write(mirror / "pubmed")
    targets = [f"results/{name}/metrics.json" for name in KINDS]
    done = snakemake(root, *targets, *SMOKE, *SMALL, f"mirror={mirror}", timeout=1200)
    assert done.returncode == 0, done.stdout + done.stderr
    return root / "results"


def read(results, name):
    return json.loads((results / name / "metrics.json").read_text())["metrics"]


@pytest.mark.parametrize("name", KINDS)
def test_every_metric_is_there_and_every_figure_is_drawn(results, name, tmp_path):
    missing = set(EVALUATIONS[KINDS[name]].metrics) - set(read(results, name))
    if name == "protein_motifs":
        assert not missing
    else:  # fewer than ten groups are held out
        left_out = pd.read_csv(results / name / "tables/left_out.tsv", sep="\t")["group"]
        assert missing == {"retrieval/recall_10"} and missing <= set(left_out)
    assert set(read(results, name)) <= set(EVALUATIONS[KINDS[name]].metrics)
    assert set(EVALUATIONS[KINDS[name]].figures) <= set(draw_all(results.parent, name, tmp_path))


def test_motifs_have_their_exact_answer(results):
    metrics = read(results, "protein_motifs")
    assert metrics["geometry/simplex_pearson"]["n"] == 55 * 54 // 2
    residue = metrics["likelihood/token"]
    assert residue["baselines"]["uniform"] < residue["baselines"]["markov"] < residue["ceiling"]
    assert metrics["patterns/substitutions"]["ceiling"] == pytest.approx(0.1, abs=0.05)


def test_plain_counts_find_simulated_families_and_topics(results):
    pfam, pubmed = read(results, "pfam"), read(results, "pubmed")
    assert pfam["retrieval/recall_1"]["baselines"]["kmers"] > 0.9
    assert pubmed["retrieval/recall_1"]["baselines"]["tf_idf"] > 0.8
    assert pubmed["topics/classifier"]["value"] > 2 * pubmed["topics/classifier"]["chance"]


def test_stores_hold_proteins_and_texts(results):
    pfam, pubmed = (SetStore.open(results / "sets" / name) for name in ("pfam", "pubmed"))
    assert pfam.alphabet.name == "protein" and pfam.groups["group"].nunique() == 24
    assert pubmed.alphabet.name == "text" and pubmed.meta["data"] == "user"  # not of the publisher, but of a mirror
    chosen = json.loads((results.parent / "resources/pubmed/baseline_2.json").read_text())
    assert list(chosen["files"]) == [f"resources/pubmed/pubmed25n000{i}.xml.gz" for i in (1, 3)]


def test_the_other_name_of_motifs_has_its_settings(project):
    one = resolve("protein_motifs", {"preset": "laptop"}, project)
    other = resolve("synthetic_protein", {"preset": "laptop"}, project)
    assert {k for k in one if one[k] != other[k]} == {"name", "description"}
    first, second = (
        yaml.safe_load((ROOT / f"config/experiments/{name}.yaml").read_text())
        for name in ("protein_motifs", "synthetic_protein")
    )
    assert first.pop("description") and "protein_motifs" in second.pop("description")
    assert first == second
