"""Clones, a screen and donors from raw files in their published layouts to metrics, at the smoke preset."""

import json

import pytest
from copies import SMOKE, copy_project
from simulators.donors import simulate_donors
from simulators.lineage import simulate_lineage
from simulators.perturb import simulate_perturb

from gde.sets.store import SetStore

pytestmark = pytest.mark.workflow
NAMES = ("lineage_tracing", "essential_genes", "donors")
SMALL = (
    "lineage_tracing={dataset: {n_hvg: 80, n_pcs: 8}}",
    "essential_genes={dataset: {files: {K562: resources/screen/K562.h5ad, RPE1: resources/screen/RPE1.h5ad}, "
    "n_hvg: 60, vectors: {n_pcs: 8}, split: {genes: [HELD]}}}",
    "donors={dataset: {path: resources/cells.h5ad, labels: [disease], batch: batch, n_hvg: 60, n_pcs: 8}}",
)


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """A project with simulated raw files, and the settings that point at them."""
    root = copy_project(tmp_path_factory.mktemp("cells"))
    resources = root / "resources"
    simulate_lineage(resources / "lineage_tracing", clones=40, genes=100, seed=0)
    screen = simulate_perturb(resources / "screen", perturbed=20, cells=30, seed=0)
    simulate_donors(resources / "cells.h5ad", donors=20, cells=40, genes=100, seed=0)
    return root, [s.replace("HELD", screen.table["gene"][0]) for s in SMALL]


@pytest.fixture(scope="module")
def prepared(raw, snakemake):
    root, settings = raw
    done = snakemake(root, *(f"results/{name}/metrics.json" for name in NAMES), *SMOKE, *settings, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    return root


@pytest.mark.parametrize("name", NAMES)
def test_raw_files_become_metrics(prepared, name):
    report = json.loads((prepared / f"results/{name}/metrics.json").read_text())
    assert report["data"] == "user" and report["metrics"]
    store = SetStore.open(prepared / f"results/sets/{name}")
    assert len(store.samples) == len(store.x) and set(store.groups["split"]) == {"train", "validation", "test"}


def test_an_edited_split_prepares_its_own_store_only(prepared, raw, planned):
    targets = [f"results/sets/{name}" for name in NAMES]
    assert planned(prepared, *targets, *SMOKE, *raw[1]) == {}
    changed = [raw[1][0].replace("n_pcs: 8", "n_pcs: 9"), *raw[1][1:]]
    assert planned(prepared, *targets, *SMOKE, *changed) == {"prepare": 1}


def test_a_file_that_is_not_there_is_named_with_its_key(raw, snakemake):
    root, settings = raw
    changed = [s.replace("screen/RPE1", "screen/RPE2") for s in settings]
    done = snakemake(root, "-n", "results/sets/essential_genes", *SMOKE, *changed)
    assert done.returncode == 2
    assert "dataset.files.RPE1: found no file 'resources/screen/RPE2.h5ad'" in done.stdout + done.stderr
