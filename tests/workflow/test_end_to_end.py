"""The main job for real, at the smoke preset: two simulated and real data sources from nothing to the report."""

import json
import shutil
import subprocess
import sys

import anndata
import numpy as np
import pandas as pd
import pytest
from copies import ROOT, SMOKE
from slashes import nested_keys

from gde.cli import main
from gde.config import resolve
from gde.config.figures import figures_of
from gde.files.io import read_sums
from gde.files.seals import read_sealed_json
from gde.model import GDE
from gde.runs.input_links import read_about
from gde.runs.verify import canonical_digests, verify
from gde.sets.store.layout import store_digest

pytestmark = pytest.mark.workflow
KINDS = {"gmm": "simulated", "pbmc68k": "samples"}
METRIC = {
    "value": float,
    "ci": (list, type(None)),
    "n": int,
    "higher_is_better": (bool, type(None)),
    "differences": dict,
    "target": (float, type(None)),
    "baselines": dict,
    "chance": (float, type(None)),
    "ceiling": (float, type(None)),
    "published": (float, type(None)),
    "protocol": str,
    "marks": list,
}


@pytest.fixture
def copied(made, tmp_path):
    """A copy of the made project, results included, for tests that change it."""
    target = tmp_path / "project"
    shutil.copytree(made, target, copy_function=shutil.copy2)
    return target


@pytest.mark.parametrize("experiment", KINDS)
def test_metrics_file(made, experiment):
    report = read_sealed_json(made / f"results/{experiment}/metrics.json")
    about = {"experiment", "run", "data", "seed", "device", "budget", "provenance", "held_out"}
    assert set(report) == about | {"left_out", "metrics"}
    assert report["experiment"] == experiment
    assert report["run"].startswith(f"{experiment}-")
    assert report["data"] == {"gmm": "simulated", "pbmc68k": "release"}[experiment]
    assert {"steps", "seconds", "samples_seen"} <= set(report["budget"])
    for name, metric in report["metrics"].items():
        assert set(metric) == set(METRIC), name
        for key, kind in METRIC.items():
            assert isinstance(metric[key], kind), (name, key)
        assert (metric["higher_is_better"] is None) == (metric["target"] is not None), name
        if metric["ci"] is not None:
            assert metric["ci"][0] <= metric["ci"][1]
    assert all(m["published"] is None for m in report["metrics"].values())  # smoke is nobody's protocol


@pytest.mark.parametrize("experiment", KINDS)
def test_embeddings_and_samples_open_in_anndata(made, experiment):
    z = anndata.read_h5ad(made / f"results/{experiment}/embeddings.h5ad")
    config = json.loads((made / f"results/{experiment}/model/config.json").read_text())
    assert z.n_vars == config["latent_dim"]
    assert {"group", "split", "n_samples"} <= set(z.obs)
    assert np.isfinite(z.X).all()
    assert (z.layers["se"][z.obs["n_samples"] > 1] >= 0).all()
    assert z.uns["gde"]["run"] == config["run"]
    x = anndata.read_h5ad(made / f"results/{experiment}/samples.h5ad")
    assert np.isfinite(x.X).all()
    assert set(x.obs["split"]) == {"test"}
    assert set(x.obs["set"]) == set(z.obs_names[z.obs["split"] == "test"])
    assert [nested_keys(made / f"results/{experiment}/{name}.h5ad") for name in ("embeddings", "samples")] == [[], []]


@pytest.mark.parametrize("experiment", KINDS)
def test_every_result_says_where_it_came_from(made, experiment):
    folder = made / f"results/{experiment}"
    model = json.loads((folder / "model/config.json").read_text())
    store = made / f"results/sets/{experiment}"
    records = {"model": model["provenance"], "metrics": json.loads((folder / "metrics.json").read_text())["provenance"]}
    records["store"] = json.loads((store / "provenance.json").read_text())
    for name in ("embeddings", "samples"):
        records[name] = read_about(folder / f"{name}.h5ad")["provenance"]
    for name, record in records.items():
        assert all(len(record[key]) == 64 for key in ("config", "code")), name
        assert record["seeds"]["experiment"] == 0, name
        about = record["environment"]
        assert len(about["lock"]) == 64 and about["cores"] >= 1 and about["processor"] and about["torch"], name
    weights = read_sums(folder / "model")["model.safetensors"]
    assert records["model"]["inputs"] == {"store": store_digest(store)}
    assert records["metrics"]["inputs"] == {"model": weights, "store": store_digest(store)}
    assert records["embeddings"]["inputs"] == records["metrics"]["inputs"]
    assert set(records["samples"]["inputs"]) == {"model", "embeddings"}
    assert bool(records["store"]["inputs"]) == (experiment == "pbmc68k")


def test_nothing_made_is_damaged_or_of_other_inputs(made, monkeypatch):
    monkeypatch.chdir(made)
    states = {finding.state for finding in verify(made / "results")}
    assert states == {"ok", "same", "no digest"}


@pytest.mark.parametrize("experiment", KINDS)
def test_every_figure_is_there(made, experiment):
    for figure in figures_of(resolve(experiment, {"preset": "smoke"}, ROOT)):
        for suffix in ("svg", "png"):
            assert (made / f"results/{experiment}/figures/{figure}.{suffix}").stat().st_size > 1000
    assert "## Methods" in (made / f"results/{experiment}/MODEL_CARD.md").read_text()


def test_the_same_command_again_does_nothing(made, planned):
    assert planned(made, "all", *SMOKE) == {}


def test_one_rule_again_gives_the_same_bytes(copied, snakemake):
    figure = copied / "results/gmm/figures/geometry.svg"
    before = figure.read_bytes()
    done = snakemake(copied, "-f", "results/gmm/figures/geometry.svg", *SMOKE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert figure.read_bytes() == before


def test_everything_again_from_nothing_gives_the_same_results(copied, environment):
    """In processes of their own, whose hashes and memory are others than those of the first time."""
    before = canonical_digests(copied / "results/pbmc68k")
    shutil.rmtree(copied / "results")
    target = ("results/pbmc68k/metrics.json", "results/pbmc68k/embeddings.h5ad", "results/pbmc68k/samples.h5ad")
    command = [sys.executable, "-m", "snakemake", *target, *SMOKE]
    done = subprocess.run(command, cwd=copied, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    after = canonical_digests(copied / "results/pbmc68k")
    assert {k: before[k] for k in after} == after
    assert "metrics.json" in after
    assert "embeddings.h5ad" in after


def test_a_damaged_store_is_refused_in_one_line(copied, snakemake):
    store = copied / "results/sets/gmm/x.npy"
    data = bytearray(store.read_bytes())
    data[-100] ^= 1
    store.write_bytes(data)
    (copied / "results/gmm/metrics.json").unlink()
    done = snakemake(copied, "results/gmm/metrics.json", *SMOKE, "--rerun-triggers", "params")
    assert done.returncode != 0
    assert "gde: results/sets/gmm/x.npy: found sha256" in done.stderr
    assert "Traceback" not in done.stderr.replace("WorkflowError", "")
    assert not (copied / "results/gmm/metrics.json").exists()


def test_a_damaged_model_is_refused_in_one_line(copied, snakemake):
    weights = copied / "results/gmm/model/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-7])
    (copied / "results/gmm/embeddings.h5ad").unlink()
    done = snakemake(copied, "results/gmm/embeddings.h5ad", *SMOKE, "--rerun-triggers", "params")
    assert done.returncode != 0
    assert "gde: results/gmm/model/model.safetensors: found sha256" in done.stderr
    assert not (copied / "results/gmm/embeddings.h5ad").exists()


@pytest.mark.parametrize("fault", ["full", "read-only"])
def test_full_and_read_only_disks_leave_nothing_half_written(project, snakemake, tiny_disk, fault):
    (project / "results/logs").mkdir(parents=True)
    (project / "results/sets").symlink_to(tiny_disk)
    overrides = "gmm={dataset: {test_size: 20000}}"
    if fault == "read-only":
        subprocess.run(["mount", "-o", "remount,ro", tiny_disk], check=True)
    done = snakemake(project, "results/sets/gmm", *SMOKE, overrides)
    assert done.returncode != 0
    expected = {"full": "no space left on the device", "read-only": "read-only file system"}[fault]
    assert expected in (done.stdout + done.stderr).lower()
    assert list(tiny_disk.iterdir()) == []


def cells_from(folder, path):
    """The LARRY excerpt as an .h5ad: what a user would have. Its counts are normalised to equal totals already."""
    import scipy.io

    matrix = scipy.io.mmread(folder / "stateFate_inVitro_normed_counts.mtx.gz").tocsr()
    genes = pd.read_csv(folder / "stateFate_inVitro_gene_names.txt.gz", header=None)[0].astype(str)
    cells = pd.read_csv(folder / "stateFate_inVitro_metadata.txt.gz", sep="\t")
    data = anndata.AnnData(matrix.astype(np.float32), obs=cells.astype(str))
    data.var_names = genes.to_numpy()
    data.obs_names = [f"cell{i}" for i in range(data.n_obs)]
    data.var_names_make_unique()
    data.X.data = np.log1p(data.X.data)
    data.write_h5ad(path)
    return data


def test_a_users_own_file_in_five_lines(project, snakemake, excerpt, monkeypatch, capsys):
    """An excerpt of real data made into an .h5ad; then the model embeds a file it has not seen."""
    data = cells_from(excerpt("larry"), project / "my.h5ad")
    column = "Cell type annotation"
    (project / "config/experiments/mine.yaml").write_text(
        f"dataset:\n  kind: h5ad\n  path: my.h5ad\n  groupby: [Time point, {column}]\n  values: lognorm\n"
        "  split: {by: sample}\n  n_pcs: 10\n"
    )
    done = snakemake(project, "results/mine/embeddings.h5ad", "results/mine/metrics.json", *SMOKE)
    assert done.returncode == 0, done.stdout + done.stderr
    z = anndata.read_h5ad(project / "results/mine/embeddings.h5ad")
    assert {"Time point", column, "split", "n_samples"} <= set(z.obs)
    kept = data.obs.groupby(["Time point", column], observed=True).size()
    assert z.obs["n_samples"].sum() == kept[kept >= 3].sum()
    monkeypatch.chdir(project)
    assert main(["embed", "mine", "my.h5ad", "--groupby", column, "-o", "out.h5ad"]) == 0
    assert set(anndata.read_h5ad("out.h5ad").obs[column]) == set(data.obs[column])
    assert main(["sample", "mine", "out.h5ad", "-n", "7", "-o", "new.h5ad"]) == 0
    new = anndata.read_h5ad("new.h5ad")
    assert new.n_obs == 7 * data.obs[column].nunique()
    assert new.n_vars == len(GDE.load("results/mine/model").features.names)
    capsys.readouterr()
