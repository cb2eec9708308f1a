"""A training that was stopped anywhere and continued is the training that was never stopped."""

import json
import logging
import multiprocessing
import os
import signal

import pytest
import tiny

from gde.checkpoint import list_checkpoints, load_checkpoint
from gde.errors import GdeError
from gde.training import Interrupted, train

pytestmark = pytest.mark.usefixtures("no_fsync")
TIMING = ("sets_per_s",)


def read_log(run_dir):
    lines = [json.loads(line) for line in (run_dir / "log.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in TIMING} for line in lines]


def final_tensors(run_dir):
    """Weights, averages and optimiser state of the last checkpoint, as bytes."""
    tensors, state = load_checkpoint(list_checkpoints(run_dir / "checkpoints")[-1])
    return {k: v.numpy().tobytes() for k, v in tensors.items()}, {k: v for k, v in state.items() if k != "seconds"}


def stop_after(monkeypatch, store, config, run_dir, step, signal_number=signal.SIGTERM):
    """Train until `step` steps are done, when the process sends itself a signal."""
    import gde.training

    update = gde.training.update_ema
    done = []

    def counted(*args):
        update(*args)
        done.append(1)
        if len(done) == step:
            os.kill(os.getpid(), signal_number)

    monkeypatch.setattr(gde.training, "update_ema", counted)
    try:
        return train(config, store, run_dir, device=tiny.CPU)
    finally:
        monkeypatch.setattr(gde.training, "update_ema", update)


@pytest.fixture(scope="module", params=["family", "cells", "plateau", "perturbation"])
def case(request, tmp_path_factory):
    """A store, its experiment, and the training that is never stopped."""
    changes = {}
    if request.param == "plateau":
        changes = {"training.scheduler": {"kind": "plateau", "patience": 1, "warmup": 0, "factor": 0.5},
                   "training.optimizer": {"kind": "sgd", "lr": 0.3}, "training.validate_every": 2}  # fmt: skip
    if request.param == "cells":
        store = request.getfixturevalue("cells_store")
        changes = {"training.set_size": 24, "mixer": {"kind": "dirichlet_k", "k": 2}}
        config = tiny.cells_experiment(request.getfixturevalue("cells_h5ad"), changes)
    elif request.param == "perturbation":
        objective = {"kind": "perturbation", "control": {"cell_type": "B"}, "within": ["donor"]}
        store = request.getfixturevalue("cells_store")
        config = tiny.cells_experiment(request.getfixturevalue("cells_h5ad"), {"objective": objective})
    else:
        store, config = request.getfixturevalue("family_store"), tiny.experiment(changes)
    run_dir = tmp_path_factory.mktemp("whole")
    model, budget = train(config, store, run_dir, device=tiny.CPU)
    return store, config, run_dir, model, budget


@pytest.mark.parametrize("step", [1, 4, 7, 13])
def test_stopped_by_sigterm_and_continued(case, step, tmp_path, monkeypatch, caplog):
    store, config, whole, model, budget = case
    with pytest.raises(Interrupted) as e:
        stop_after(monkeypatch, store, config, tmp_path, step)
    assert e.value.code == 143
    assert list_checkpoints(tmp_path / "checkpoints")[-1].name == f"step-{step:09d}"
    with caplog.at_level(logging.INFO):
        resumed, resumed_budget = train(config, store, tmp_path, device=tiny.CPU)
    assert f"resumed at step {step} of 16" in caplog.text
    assert tiny.weights(resumed) == tiny.weights(model)
    assert final_tensors(tmp_path) == final_tensors(whole)
    assert {k: v for k, v in resumed_budget.items() if k != "seconds"} == {
        k: v for k, v in budget.items() if k != "seconds"
    }
    # the log has one more line where the mean over `log_every` steps was cut in two
    every = config["training"]["log_every"]
    window = range(step - step % every + 1, step - step % every + every + 1) if step % every else ()
    logs = [[line for line in read_log(d) if line["step"] not in window] for d in (tmp_path, whole)]
    assert logs[0] == logs[1]


def test_two_stops_in_a_row(case, tmp_path, monkeypatch):
    store, config, whole, model, _ = case
    for step in (3, 6):  # 6 more steps
        with pytest.raises(Interrupted):
            stop_after(monkeypatch, store, config, tmp_path, step)
    resumed, _ = train(config, store, tmp_path, device=tiny.CPU)
    assert tiny.weights(resumed) == tiny.weights(model)
    assert final_tensors(tmp_path) == final_tensors(whole)


def in_another_process(target, *args):
    """Run in a forked process; returns its exit status."""
    process = multiprocessing.get_context("fork").Process(target=target, args=args)
    process.start()
    process.join(60)
    assert process.exitcode is not None
    return process.exitcode


@pytest.mark.parametrize("step", [6, 8])
def test_killed_and_continued(case, step, tmp_path, monkeypatch):
    """SIGKILL leaves the last periodic checkpoint and a log that runs ahead of it; the log is cut back."""
    store, config, whole, model, _ = case
    code = in_another_process(stop_after, monkeypatch, store, config, tmp_path, step, signal.SIGKILL)
    assert code == -signal.SIGKILL
    with (tmp_path / "log.jsonl").open("a") as f:
        f.write('{"step": 7, "lo')  # the line it was writing
    resumed, _ = train(config, store, tmp_path, device=tiny.CPU)
    assert tiny.weights(resumed) == tiny.weights(model)
    assert final_tensors(tmp_path) == final_tensors(whole)
    assert read_log(tmp_path) == read_log(whole)


def test_sigterm_during_the_last_step_ends_the_training(family_store, tmp_path, monkeypatch):
    config = tiny.experiment()
    _, budget = stop_after(monkeypatch, family_store, config, tmp_path, 16)
    assert budget["steps"] == 16
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_finished_training_takes_no_step(family_store, tmp_path):
    config = tiny.experiment()
    model, budget = train(config, family_store, tmp_path, device=tiny.CPU)
    log = (tmp_path / "log.jsonl").read_bytes()
    again, budget_again = train(config, family_store, tmp_path, device=tiny.CPU)
    assert (tmp_path / "log.jsonl").read_bytes() == log
    assert tiny.weights(again) == tiny.weights(model)
    assert budget_again["steps"] == budget["steps"]


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("file", ["state.safetensors", "state.json", "SHA256SUMS"])
def test_a_damaged_newest_checkpoint_is_reported_and_the_one_before_used(case, file, tmp_path, monkeypatch, caplog):
    store, config, whole, model, _ = case
    with pytest.raises(Interrupted):
        stop_after(monkeypatch, store, config, tmp_path, 11)
    before, newest = list_checkpoints(tmp_path / "checkpoints")[-2:]
    flip(newest / file)
    with caplog.at_level(logging.INFO):
        resumed, _ = train(config, store, tmp_path, device=tiny.CPU)
    assert str(newest) in caplog.text
    assert "checkpoint not used" in caplog.text
    assert f"resumed at step {int(before.name[5:])} " in caplog.text
    assert final_tensors(tmp_path) == final_tensors(whole)
    assert tiny.weights(resumed) == tiny.weights(model)


def test_only_damaged_checkpoints(family_store, tmp_path):
    config = tiny.experiment()
    train(config, family_store, tmp_path, device=tiny.CPU)
    for path in list_checkpoints(tmp_path / "checkpoints"):
        (path / "state.safetensors").write_bytes((path / "state.safetensors").read_bytes()[:100])
    with pytest.raises(GdeError, match=r"only damaged checkpoints.*delete the directory") as e:
        train(config, family_store, tmp_path, device=tiny.CPU)
    assert str(tmp_path / "checkpoints") in str(e.value)


@pytest.mark.parametrize(
    ("changes", "tensor"),
    [({"encoder.hidden": 16}, "encoder."), ({"latent_dim": 5}, "encoder.out"), ({"generator.layers": 2}, "generator.")],
)
def test_checkpoint_of_another_configuration(family_store, changes, tensor, tmp_path):
    train(tiny.experiment(), family_store, tmp_path, device=tiny.CPU)
    with pytest.raises(GdeError, match="belongs to another configuration") as e:
        train(tiny.experiment(changes), family_store, tmp_path, device=tiny.CPU)
    assert tensor in str(e.value)
    assert "checkpoints" in str(e.value)


def test_early_stopping_is_the_same_when_resumed(family_store, tmp_path, monkeypatch):
    """Stopped in the very step that exhausts the patience, or after it: not one step more."""
    changes = {"training.early_stopping": 2, "training.validate_every": 2, "training.optimizer.lr": 1e-30}
    config = tiny.experiment(changes)
    monkeypatch.setattr("gde.training.validate", lambda *_: 1.0)
    model, budget = train(config, family_store, tmp_path / "whole", device=tiny.CPU)
    assert budget["steps"] == 6
    assert budget["best_step"] == 2
    again, budget_again = train(config, family_store, tmp_path / "whole", device=tiny.CPU)
    assert budget_again["steps"] == 6
    stopped, budget_stopped = stop_after(monkeypatch, family_store, config, tmp_path / "stopped", 6)
    assert budget_stopped["steps"] == 6
    assert tiny.weights(model) == tiny.weights(again) == tiny.weights(stopped)
