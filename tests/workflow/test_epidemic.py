"""Spikes by country and month: from a file in GISAID's layout to metrics and figures, simulated and real."""

import gzip
import json
import os
import re
from pathlib import Path

import pandas as pd
import pytest
from copies import SMOKE, copy_project
from drawn import draw_all
from simulators.spike_files import write_gisaid
from simulators.spikes import simulate_epidemic

from gde.config.evaluations import EVALUATIONS
from gde.sets.store.set_store import SetStore

pytestmark = [pytest.mark.workflow, pytest.mark.slow]
SPIKES = Path(os.environ.get("GDE_TEST_DATA", "")) / "spike/spikeprot0430.fasta"
SHORT = "training: {steps: 6, validate_every: 3, checkpoint_every: 3, scheduler: {warmup: 2}}"  # a second a step
SIMULATED = (
    "virus={dataset: {source: gisaid, sequences: spikes.fasta, min_size: 8, last_months: 2}, evaluation: {least: 8}, "
    f"{SHORT}}}"
)
BY_MONTH = (
    f"virus={{dataset: {{source: gisaid, sequences: {SPIKES}, groupby: [month], min_size: 3, last_months: 0, "
    "split: {by: sample, fractions: [0.6, 0.2, 0.2]}}, evaluation: {keys: all, least: 3, most: 1000}, "
    f"{SHORT}}}"
)


@pytest.fixture(scope="module")
def made(tmp_path_factory, snakemake):
    """A project in which the experiment ran on a simulated epidemic; the settings, and the epidemic."""
    root = copy_project(tmp_path_factory.mktemp("virus"))
    epidemic = simulate_epidemic(months=9, countries=4, per_key=26, lineages=3, seed=1)
    write_gisaid(epidemic, root / "spikes.fasta", defects=0.1)
    targets = [f"results/virus/{file}" for file in ("samples.fasta.gz", "MODEL_CARD.md", "embeddings.h5ad")]
    done = snakemake(root, *targets, *SMOKE, SIMULATED, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    return root, targets, epidemic


def report_of(root: Path) -> dict:
    return json.loads((root / "results/virus/metrics.json").read_text())


def test_every_metric_is_there_with_what_it_is_compared_with(made):
    report = report_of(made[0])
    metrics = report["metrics"]
    assert set(metrics) == set(EVALUATIONS["epidemic"].metrics) and report["data"] == "user"
    assert set(metrics["month/mae"]["baselines"]) == {"single_sequence", "kmers", "sites", "median"}
    assert set(metrics["sweeps/error"]["baselines"]) == {"all_months", "month_before"}
    assert set(metrics["extrapolation/distance"]["baselines"]) == {"persistence", "mean_of_past"}
    assert all(m["published"] is None for m in metrics.values())  # neither that data nor that model
    # the residues at sites tell the months of a simulated epidemic, whatever so short a training learned
    assert metrics["month/mae"]["baselines"]["sites"] < metrics["month/mae"]["baselines"]["median"]


def test_shares_of_real_sequences_are_those_of_the_epidemic(made):
    root, _, epidemic = made
    table = pd.read_csv(root / "results/virus/tables/sweeps.tsv", sep="\t")
    real = table[(table["label"] == "D614G") & (table["source"] == "real")].set_index("month [months]")
    store = SetStore.open(root / "results/sets/virus")
    truth = epidemic.frequency("D614G")
    truth.index = [(int(m[:4]) - 2019) * 12 + int(m[5:]) - 12.0 for m in truth.index]
    gap = (real["share [share of sequences]"] - truth).dropna().abs()
    assert len(gap) >= 3 and (gap < 4 * (0.25 / real["n_samples [1]"]) ** 0.5 + 0.1).all()  # of the countries held out
    assert set(store.groups["era"]) == {"past", "future"}


def test_samples_are_proteins(made):
    text = gzip.decompress((made[0] / "results/virus/samples.fasta.gz").read_bytes()).decode()
    headers = re.findall(r"^>(.*)$", text, re.M)
    assert headers and all("month=" in h and "country=" in h for h in headers)
    assert set("".join(text.split("\n")[1::2])) <= set("ACDEFGHIKLMNPQRSTVWYX")


def test_every_figure_is_drawn(made, tmp_path):
    assert "epidemic_sweeps" in draw_all(made[0], "virus", tmp_path)


def test_nothing_is_planned_again_but_a_figure(made, planned):
    root, targets, _ = made
    assert planned(root, *targets, "results/virus/figures/epidemic_map.svg", *SMOKE, SIMULATED) == {"figure": 1}


@pytest.mark.skipif(not SPIKES.is_file(), reason="GDE_TEST_DATA does not hold the excerpt of spikes")
def test_real_spikes_by_month(tmp_path_factory, snakemake):
    root = copy_project(tmp_path_factory.mktemp("spikes"))
    done = snakemake(root, "results/virus/metrics.json", *SMOKE, BY_MONTH, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    metrics = report_of(root)["metrics"]
    assert metrics["sweeps/named_error"]["protocol"] == "all_keys" and "month/mae" in metrics
    assert not any(name.startswith(("country", "extrapolation")) for name in metrics)
    table = pd.read_csv(root / "results/virus/tables/sweeps.tsv", sep="\t")
    real = table[(table["label"] == "D614G") & (table["source"] == "real")]["share [share of sequences]"]
    assert real.round(2).tolist() == pytest.approx([0, 0.2, 0.25, 0.6, 0.77, 0.75], abs=0.01)
    assert (pd.read_csv(root / "results/virus/tables/left_out.tsv", sep="\t")["group"] == "extrapolation").any()
