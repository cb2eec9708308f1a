"""A run is one training of one meaning: kept for ever, published when asked for, written by one process."""

import multiprocessing
import os
import signal
import subprocess

import pytest
import tiny

from gde.cli.train_run import train_run
from gde.errors import GdeError
from gde.files.io import verify_sums
from gde.files.seals import read_sealed_json, write_sealed_json
from gde.model import GDE
from gde.runs.publishing import keep_metrics, one_writer

pytestmark = pytest.mark.usefixtures("no_fsync")


@pytest.fixture
def results(tmp_path, family_store):
    """train(config) in one results directory; gives the run's id."""

    def train(changes=None, sets=family_store.path):
        config = tiny.experiment({"training.steps": 4} | (changes or {}))
        return train_run(config, sets, tmp_path / "runs", tmp_path / "tiny" / "model", accelerator="cpu")

    return train


@pytest.fixture
def no_training(monkeypatch):
    def fail(*args, **kwargs):
        raise AssertionError("a finished run was trained again")

    return lambda: monkeypatch.setattr("gde.training.train", fail)


def test_a_published_model_knows_its_run(results, tmp_path, family_store):
    run = results()
    config = GDE.load(tmp_path / "tiny" / "model").config
    assert config["run"] == run
    assert run.startswith("tiny-")
    assert len(run) == len("tiny-") + 8
    assert config["store"] == family_store.digest
    assert config["budget"]["steps"] == 4
    assert config["data"] == "simulated"
    assert "CPU" in config["hardware"]
    assert set(verify_sums(tmp_path / "tiny" / "model")) == {"config.json", "log.jsonl", "model.safetensors"}
    assert {p.name for p in (tmp_path / "runs" / run).iterdir()} == {
        "checkpoints", "log.jsonl", "model", "run.json"
    }  # fmt: skip


@pytest.mark.parametrize("state", ["published", "deleted", "another"])
def test_a_finished_run_is_published_without_training(results, tmp_path, no_training, state):
    run = results()
    published = tmp_path / "tiny" / "model"
    before = (published / "model.safetensors").read_bytes()
    if state == "deleted":
        subprocess.run(["rm", "-r", published], check=True)
    if state == "another":
        assert results({"latent_dim": 3}) != run
        assert (published / "model.safetensors").read_bytes() != before
    no_training()
    assert results() == run
    assert (published / "model.safetensors").read_bytes() == before


def test_every_change_makes_a_run_of_its_own_and_all_stay(results, tmp_path, cells_store, monkeypatch):
    runs = [results(), results({"latent_dim": 3}), results({"training.optimizer.lr": 1e-4})]
    monkeypatch.setattr("gde.cli.train_run.code_digest", lambda roots: "another code")
    runs.append(results())
    other = tiny.prepare(tiny.experiment(seed=1), tmp_path / "other")
    runs.append(results(sets=other.path))
    assert len(set(runs)) == 5
    assert {p.name for p in (tmp_path / "runs").iterdir()} == set(runs)
    assert all((tmp_path / "runs" / run / "model").is_dir() for run in runs)


def test_what_does_not_change_the_weights_does_not_change_the_run(results):
    assert results() == results({"evaluation": {"kind": "simulated", "bootstrap": 17}})


def hold(run_dir, ready):
    with one_writer(run_dir):
        ready.set()
        signal.pause()


def test_a_second_writer_is_refused_and_a_dead_one_forgotten(results, tmp_path, no_training):
    run_dir = tmp_path / "runs" / results()
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    holder = context.Process(target=hold, args=(run_dir, ready))
    holder.start()
    assert ready.wait(30)
    with pytest.raises(GdeError) as e:
        results()
    assert str(run_dir) in str(e.value)
    assert f"process {holder.pid} on " in str(e.value)
    assert "wait for it to end" in str(e.value)
    holder.kill()
    holder.join(30)
    no_training()
    results()


def test_the_lock_is_free_after_an_error(results, tmp_path, monkeypatch):
    monkeypatch.setattr("gde.training.validate", lambda *_: float("nan"))
    with pytest.raises(GdeError, match="never finite"):
        results()
    (run_dir,) = (tmp_path / "runs").iterdir()
    assert not (run_dir / "lock").exists()


def test_a_damaged_finished_model_is_named(results, tmp_path):
    run = results()
    file = tmp_path / "runs" / run / "model" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(GdeError, match="damaged or was edited") as e:
        results()
    assert str(file) in str(e.value)


def test_a_damaged_store_trains_nothing(tmp_path):
    store = tiny.prepare(tiny.experiment(), tmp_path / "sets")
    (store.path / "x.npy").write_bytes((store.path / "x.npy").read_bytes()[:-4])
    with pytest.raises(GdeError, match=r"x\.npy"):
        train_run(tiny.experiment(), store.path, tmp_path / "runs", tmp_path / "model", accelerator="cpu")
    assert [p.name for p in tmp_path.iterdir()] == ["sets"]


def test_read_only_results(tiny_disk, family_store):
    (tiny_disk / "runs").mkdir()
    subprocess.run(["mount", "-o", "remount,ro", tiny_disk], check=True)
    with pytest.raises(GdeError, match="read-only file system"):
        train_run(tiny.experiment(), family_store.path, tiny_disk / "runs", tiny_disk / "model", accelerator="cpu")


def test_a_disk_that_fills_up_keeps_the_checkpoints_and_the_published_model(tiny_disk, family_store, tmp_path):
    """Room for the first checkpoints only; with more of it the training goes on."""
    config = tiny.experiment({"training.keep_every": 1, "training.checkpoint_every": 1})
    arguments = (config, family_store.path, tiny_disk / "runs", tmp_path / "model")
    with pytest.raises(GdeError, match="no space left"):
        train_run(*arguments, accelerator="cpu")
    assert not (tmp_path / "model").exists()
    (checkpoints,) = tiny_disk.glob("runs/*/checkpoints")
    names = sorted(p.name for p in checkpoints.iterdir())
    assert all(name.startswith("step-") for name in names)
    for name in names:
        verify_sums(checkpoints / name)
    subprocess.run(["mount", "-o", "remount,size=8m", tiny_disk], check=True)
    train_run(*arguments, accelerator="cpu")
    assert GDE.load(tmp_path / "model").config["budget"]["steps"] == 16


def test_a_granted_gpu_that_is_not_visible_trains_nothing(tmp_path, family_store, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setenv("SLURM_JOB_GPUS", "0")
    arguments = (tiny.experiment({"training.steps": 2}), family_store.path, tmp_path / "runs", tmp_path / "model")
    with pytest.raises(GdeError, match="no visible GPU"):
        train_run(*arguments, accelerator="auto")
    assert list(tmp_path.iterdir()) == []
    train_run(*arguments, accelerator="cpu")


def test_metrics_are_kept_beside_their_run(results, tmp_path):
    run = results()
    write_sealed_json(tmp_path / "tiny" / "metrics.json", tiny.metrics(run))
    keep_metrics(tmp_path / "tiny" / "metrics.json", tmp_path / "runs")
    assert read_sealed_json(tmp_path / "runs" / run / "metrics.json") == tiny.metrics(run)
    assert os.listdir(tmp_path / "runs") == [run]
