"""`gde.train`: the workflow's training, called with data."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch

import gde
from gde.errors import GdeError
from gde.files.io import read_json
from gde.sets.store.set_store import SetStore

pytestmark = pytest.mark.usefixtures("no_fsync", "here")
QUICK = {key: tiny.SMALL[key] for key in ("encoder", "generator", "latent_dim")} | {
    "training": tiny.SMALL["training"] | {"steps": 8}
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working directory of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def trained(data=None, groupby=("donor", "cell_type"), **keys):
    return gde.train(data, groupby, **{"name": "mine", "dataset": {"n_pcs": 5}} | QUICK | keys)


def test_cells_in_memory_are_those_of_the_file_that_they_are_written_to(here):
    model = trained(tiny.cells())
    file = Path("results/sets/mine.h5ad")
    again = trained(file, results="others", values="counts")
    assert model.config["run"] == again.config["run"] and tiny.weights(model) == tiny.weights(again)
    assert SetStore.open("results/sets/mine").digest == SetStore.open("others/sets/mine").digest


def test_what_is_written_where(here):
    model = trained(tiny.cells())
    run = Path("results/runs", model.config["run"])
    assert read_json(run / "run.json")["config"]["dataset"]["path"] == "results/sets/mine.h5ad"
    assert (run / "model/model.safetensors").read_bytes() == Path("results/mine/model/model.safetensors").read_bytes()
    assert sorted(p.name for p in here.iterdir()) == ["results"]
    assert sorted(p.name for p in Path("results").iterdir() if p.name[0] != ".") == ["mine", "runs", "sets"]
    assert tiny.weights(gde.GDE.load("results/mine/model")) == tiny.weights(model)


def test_a_finished_run_is_taken_and_equal_data_are_prepared_once(here, monkeypatch):
    first = trained(tiny.cells())
    stamp = os.stat("results/sets/mine.h5ad").st_mtime_ns

    def fail(*args, **kwargs):
        raise AssertionError("made again")

    monkeypatch.setattr("gde.training.train", fail)
    monkeypatch.setattr("gde.prepare.prepare_store", fail)
    assert trained(tiny.cells()).config["run"] == first.config["run"]
    assert os.stat("results/sets/mine.h5ad").st_mtime_ns == stamp


@pytest.mark.parametrize("changed", ["data", "settings"])
def test_other_data_or_settings_are_another_run(here, changed):
    first = trained(tiny.cells())
    second = trained(tiny.cells(seed=1)) if changed == "data" else trained(tiny.cells(), split="sample")
    assert (first.config["run"] != second.config["run"]) and (first.config["store"] != second.config["store"])


def test_it_embeds_and_samples(here):
    cells = tiny.cells()
    model = trained(cells)
    z = model.embed(cells, groupby=["donor"])
    assert z.shape == (12, 4) and next(iter(z.obs["group"])) == "D00"
    assert model.sample(torch.from_numpy(np.asarray(z.X[:2])), 3).shape == (2, 3, 5)


def test_a_layer_and_the_raw_values(here):
    cells = tiny.cells()
    cells.layers["counts"], cells.raw = cells.X.copy(), cells
    plain = SetStore.open(Path("results/sets/mine")) if trained(cells) else None
    cells.X = cells.X * 0.3
    trained(cells, layer="counts", results="layer")
    trained(cells, dataset={"n_pcs": 5, "use_raw": True}, results="raw")
    for other in ("layer", "raw"):
        store = SetStore.open(Path(other, "sets/mine"))
        assert np.array_equal(store.fields["x"], plain.fields["x"])


def test_views_and_what_an_h5ad_cannot_hold(here):
    cells = tiny.cells()
    assert trained(cells[:, :20]).config["run"]
    cells.uns["odd"], cells.obsm["X_any"] = object(), np.zeros((cells.n_obs, 2))  # not read, so not written
    assert trained(cells, results="others").config["run"]
    cells.obs["odd"] = [{"a": 1}] * cells.n_obs
    with pytest.raises(GdeError, match=r"gde\.train: data: found what an \.h5ad cannot hold"):
        trained(cells, results="none")
    assert not list(Path("none").rglob("*.h5ad"))


def test_tables_and_sequences(here):
    rng = np.random.default_rng(0)
    rows = [f"D{i % 12},{a:.3f},{b:.3f}" for i, (a, b) in enumerate(rng.normal(size=(240, 2)))]
    Path("table.csv").write_text("\n".join(["donor,a,b", *rows]) + "\n")
    assert trained("table.csv", "donor", dataset=None).config["dataset"]["kind"] == "table"
    fasta = [f">s{i} donor=D{i % 12}\n{''.join(rng.choice(list('ACGT'), 24))}" for i in range(120)]
    Path("reads.fasta").write_text("\n".join(fasta) + "\n")
    fields = {"fields": "key=value"}
    model = gde.train(
        "reads.fasta", "donor", dataset=fields, preset="smoke", training={"steps": 2, "validate_every": 1}
    )
    assert model.config["name"] == "reads" and model.alphabet is not None


def test_an_experiment_that_is_like_another(here):
    model = gde.train(dataset={"test_sets": 4, "validation_sets": 4, "test_size": 20}, name="mine", like="gmm", **QUICK)
    assert model.config["dataset"]["kind"] == "gmm" and model.config["encoder"]["hidden"] == 8


def test_threads_and_logging_are_left_as_they_were(here):
    import logging

    threads, log = torch.get_num_threads(), logging.getLogger("gde")
    before = (log.level, list(log.handlers))
    trained(tiny.cells(), training=QUICK["training"] | {"torch_threads": 3})
    assert torch.get_num_threads() == threads and (log.level, list(log.handlers)) == before


def test_any_thread_trains_the_same(here):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as other:
        model = other.submit(trained, tiny.cells()).result()
    again = trained(Path("results/sets/mine.h5ad"), results="others", values="counts")
    assert model.config["run"] == again.config["run"] and tiny.weights(model) == tiny.weights(again)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"groupby": "donr"}, r"results/sets/mine\.h5ad: obs: found no 'donr'.* did you mean 'donor'\?"),
        ({"groupby": None}, r"gde\.train: dataset\.groupby: found nothing"),
        ({"encoder": {"kind": "resnt"}}, r"gde\.train: encoder\.kind: found 'resnt'.* did you mean 'resnet'\?"),
        ({"hidden": 3}, r"gde\.train: hidden: found 'hidden'"),
        ({"preset": "fast"}, r"gde\.train: preset: found 'fast', expected one of smoke, laptop, paper"),
        ({"seed": -1}, r"gde\.train: seed: found -1"),
        ({"mirror": "x"}, r"gde\.train: mirror: found a key of config/config\.yaml"),
        ({"layer": "x"}, r"gde\.train: layer: found 'x', expected one of none"),
        ({"name": "sets"}, r"gde\.train: name: found 'sets'"),
        ({"like": "nobody"}, r"gde\.train: like: found 'nobody'"),
        ({"data": 3}, r"gde\.train: data: found a int, expected an AnnData, or the name of a file"),
        ({"data": "x.txt"}, r"gde\.train: x\.txt: found a file of another kind"),
        ({"data": "none.h5ad"}, r"none\.h5ad: found no such file"),
    ],
)
def test_mistakes_are_one_line(here, keys, message):
    with pytest.raises(GdeError, match=message) as e:
        trained(**{"data": tiny.cells()} | keys)
    assert "\n" not in str(e.value) and not Path("results/runs").exists()


def test_importing_gde_loads_nothing_heavy():
    code = "import sys, gde; assert {'GDE', 'train', 'tl', 'pl'} <= {*dir(gde)}; "
    code += "print([m for m in ('torch', 'numpy', 'pandas', 'anndata', 'matplotlib', 'pydantic') if m in sys.modules])"
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(gde.__file__).parents[1]
    )
    assert said.stdout.strip() == "[]"
