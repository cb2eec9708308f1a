"""Simulated patterns, and a user's FASTA and table of sequences: from files to metrics and figures."""

import gzip
import json
import re
import subprocess
import sys

import pytest
import yaml
from copies import ROOT, SMOKE, copy_project
from drawn import draw_all
from simulators.sequences import simulate_library

from gde.config.evaluations import EVALUATIONS
from gde.sets.store.set_store import SetStore

pytestmark = [pytest.mark.workflow, pytest.mark.slow]
NAMES = ("dna_multinomial", "library", "bare")
TINY = (
    "{encoder: {hidden: 8, layers: 1}, generator: {hidden: 8, layers: 1}, latent_dim: 4, "
    "training: {steps: 20, n_sets: 4, set_size: 8}, evaluation: {sets: 3, generated: 20, bootstrap: 20}}"
)
SMALL = ("dna_multinomial={dataset: {size: 1000}, training: {steps: 20}}", f"library={TINY}", f"bare={TINY}")


@pytest.fixture(scope="module")
def user(tmp_path_factory, environment):
    """A project with a user's two files: of one, an experiment that `gde init` wrote; of the other, five lines."""
    root = copy_project(tmp_path_factory.mktemp("sequences"))
    library = simulate_library(donors=24, sequences=20)
    library.write(root / "library.fasta.gz")
    library.write(root / "bare.tsv")
    told = [sys.executable, "-m", "gde.cli", "init", "library.fasta.gz", "--groupby", "donor", "--name", "library"]
    done = subprocess.run(told, cwd=root, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    dataset = {"kind": "sequences", "path": "bare.tsv", "groupby": ["donor"], "labels": ["tissue"], "weight": "copies"}
    (root / "config/experiments/bare.yaml").write_text(yaml.safe_dump({"dataset": dataset}))
    return root


@pytest.fixture(scope="module")
def results(user, snakemake):
    targets = [f"results/{name}/metrics.json" for name in NAMES]
    targets += ["results/bare/figures/labels.svg", "results/bare/samples.fasta.gz", "results/library/MODEL_CARD.md"]
    done = snakemake(user, *targets, *SMOKE, *SMALL, timeout=1200)
    assert done.returncode == 0, done.stdout + done.stderr
    return user / "results"


def read(results, name):
    return json.loads((results / name / "metrics.json").read_text())["metrics"]


def test_patterns_have_every_metric_with_its_baselines(results):
    metrics = read(results, "dna_multinomial")
    assert set(metrics) == set(EVALUATIONS["patterns"].metrics)
    pearson = metrics["geometry/simplex_pearson"]
    assert pearson["n"] == 55 * 54 // 2 and set(pearson["baselines"]) == {"kmer_mean", "one_hot_mean"}
    assert pearson["protocol"] == "paper_protocol" and pearson["published"] is None  # fewer points than published
    residue = metrics["likelihood/token"]
    assert residue["baselines"]["uniform"] < residue["baselines"]["markov"] < residue["ceiling"]
    assert metrics["patterns/composition_error"]["ceiling"] < 0.3


def test_a_users_sequences_have_every_metric(results):
    assert set(read(results, "bare")) == set(EVALUATIONS["sequences"].metrics)
    assert set(read(results, "library")) == {m for m in EVALUATIONS["sequences"].metrics if not m.startswith("labels")}
    accuracy = read(results, "bare")["labels/accuracy"]
    assert accuracy["baselines"]["kmers"] > 0.8 and accuracy["ceiling"] == 1.0  # the tissues differ in composition


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_is_drawn(results, name, tmp_path):
    own = "simplex" if name == "dna_multinomial" else "spectra"
    assert own in draw_all(results.parent, name, tmp_path)


def test_stores_hold_the_sequences(results):
    fasta, table = (SetStore.open(results / "sets" / name) for name in NAMES[1:])
    assert fasta.n_rows == table.n_rows == 24 * 20 and table.weighted and not fasta.weighted
    assert set(table.groups["tissue"]) == {"blood", "liver"}


def test_samples_are_sequences_with_their_set(results):
    text = gzip.decompress((results / "bare/samples.fasta.gz").read_bytes()).decode()
    headers = re.findall(r"^>(.*)$", text, re.M)
    assert headers and all(
        re.fullmatch(r"set=\S+;i=\d+;.*tissue=(blood|liver).*;seed=0;run=bare-\S+", h) for h in headers
    )
    assert set("".join(text.split("\n")[1::2])) <= set("ACGTN")


def test_a_published_number_needs_the_published_settings(project):
    from gde.config import resolve
    from gde.evaluate.shared.metrics import published

    resolved = resolve("dna_multinomial", {"preset": "laptop"}, project)
    assert published(resolved, "geometry/simplex_pearson") == 0.947
    changed = resolve("dna_multinomial", {"preset": "laptop", "dna_multinomial": {"dataset": {"patterns": 4}}}, project)
    assert published(changed, "geometry/simplex_pearson") is None
    assert (ROOT / "config/experiments/synthetic_dna.yaml").is_file()
