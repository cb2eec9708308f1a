"""What a training does: it learns, keeps the best, stops at what is not a number, and repeats itself."""

import json
import math

import numpy as np
import pytest
import tiny
import torch

from gde.checkpoint import list_checkpoints, load_checkpoint
from gde.errors import GdeError
from gde.model import GDE
from gde.objectives.reconstruction import reconstruction
from gde.sets.source import validation_batch
from gde.training import build_models, train, validate

pytestmark = pytest.mark.usefixtures("no_fsync")


def lines(run_dir, key):
    """{step: value} of the lines of log.jsonl that have `key`."""
    parsed = (json.loads(line) for line in (run_dir / "log.jsonl").read_text().splitlines())
    return {line["step"]: line[key] for line in parsed if key in line}


def test_training_beats_the_untrained_model(family_store, tmp_path):
    changes = {"training.steps": 80, "training.n_sets": 16, "training.validate_every": 20, "generator.affine": True}
    config = tiny.experiment(changes)
    _, average = build_models(config, family_store, tiny.CPU)
    batch = validation_batch(family_store, config, device=tiny.CPU)
    before = validate(average, batch, config, tiny.CPU)
    model, _ = train(config, family_store, tmp_path, device=tiny.CPU)
    after = validate(model, batch, config, tiny.CPU)
    assert after < before - 0.5  # nats and squared velocities per feature, both of order one
    losses = list(lines(tmp_path, "loss").values())
    assert np.mean(losses[-5:]) < np.mean(losses[:5]) - 0.5


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(family_store, tmp_path):
    runs = {}
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        model, _ = train(tiny.experiment(seed=seed), family_store, tmp_path / name, device=tiny.CPU)
        runs[name] = tiny.weights(model)
        torch.manual_seed(len(runs))  # the global generator must not matter
    assert runs["a"] == runs["b"]
    assert all(runs["a"][k] != runs["c"][k] for k in runs["a"] if k.endswith("first.0.weight"))


def test_the_best_validation_is_what_is_returned(family_store, tmp_path, monkeypatch):
    """Checkpoints of steps that are neither best nor newest are gone; the best is not the last."""
    scores = iter([5.0, 1.0, 3.0, math.nan, 2.0, 1.5, 1.0, 9.0])
    monkeypatch.setattr("gde.training.validate", lambda *_: next(scores))
    config = tiny.experiment({"training.validate_every": 2, "training.checkpoint_every": 3})
    model, budget = train(config, family_store, tmp_path, device=tiny.CPU)
    assert budget["best_step"] == 4
    assert [int(p.name[5:]) for p in list_checkpoints(tmp_path / "checkpoints")] == [4, 15, 16]
    tensors, state = load_checkpoint(tmp_path / "checkpoints" / "step-000000004")
    assert state["best"] == 1.0
    saved = {k.removeprefix("average/"): v.numpy().tobytes() for k, v in tensors.items() if k.startswith("average/")}
    assert tiny.weights(model) == saved


def test_keep_every(family_store, tmp_path):
    changes = {"training.keep_every": 6, "training.checkpoint_every": 2, "training.validate_every": 16}
    train(tiny.experiment(changes), family_store, tmp_path, device=tiny.CPU)
    assert [int(p.name[5:]) for p in list_checkpoints(tmp_path / "checkpoints")] == [6, 12, 14, 16]


def test_budget_counts_what_was_seen(family_store, tmp_path):
    _, budget = train(tiny.experiment(), family_store, tmp_path, device=tiny.CPU)
    assert budget["steps"] == 16
    assert budget["samples_seen"] == 16 * 8 * 12
    assert budget["seconds"] > 0


def test_plateaus_lower_the_learning_rate(family_store, tmp_path, monkeypatch):
    """After `patience` validations without improvement, by `factor`, each time again."""
    scores = iter([5.0, 6.0, 6.0, 6.0, 6.0, 4.0, 6.0, 6.0])
    monkeypatch.setattr("gde.training.validate", lambda *_: next(scores))
    changes = {"training.scheduler": {"kind": "plateau", "patience": 2, "factor": 0.5, "warmup": 0},
               "training.validate_every": 2, "training.log_every": 1, "training.optimizer.lr": 1e-3}  # fmt: skip
    train(tiny.experiment(changes), family_store, tmp_path, device=tiny.CPU)
    lr = lines(tmp_path, "lr")
    assert [lr[step] for step in (1, 6, 7, 10, 11, 16)] == pytest.approx([1e-3, 1e-3, 5e-4, 5e-4, 2.5e-4, 2.5e-4])


def test_log_holds_losses_rate_norm_and_speed(family_store, tmp_path):
    train(tiny.experiment({"training.tensorboard": True}), family_store, tmp_path, device=tiny.CPU)
    steps = list(range(4, 17, 4))
    for key in ("loss", "grad_norm", "lr", "sets_per_s"):
        assert list(lines(tmp_path, key)) == steps
        assert all(math.isfinite(v) for v in lines(tmp_path, key).values())
    assert list(lines(tmp_path, "validation")) == [8, 16]
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [e.step for e in board.Scalars("loss")] == steps
    assert [e.step for e in board.Scalars("validation")] == [8, 16]


def poison(monkeypatch, at, value, where="loss"):
    """Make the loss, or only its gradient, not finite at a step."""

    def poisoned(model, batch, rng):
        out = reconstruction(model, batch, rng)
        step = poisoned.calls
        poisoned.calls += 1
        if step == at and where == "loss":
            return {"loss": out["loss"] * value}
        if step == at:  # sqrt has an infinite slope at 0: a finite loss with a NaN gradient
            return {"loss": out["loss"] + (out["loss"] * 0).sqrt()}
        return out

    poisoned.calls = 0
    monkeypatch.setattr(GDE, "loss", poisoned)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("at", [0, 3, 9, 15])
def test_a_loss_that_is_not_finite_stops_the_training(family_store, tmp_path, monkeypatch, at, value):
    poison(monkeypatch, at, value)
    monkeypatch.setattr("gde.training.validate", lambda *_: 1.0)
    with pytest.raises(GdeError) as e:
        train(tiny.experiment(), family_store, tmp_path, device=tiny.CPU)
    message = str(e.value)
    good = at // 4 * 4
    assert f"at step {at} (batch of synthetic sets)" in message
    assert (f"checkpoints/step-{good:09d}" if good else "last good checkpoint: none") in message
    assert "lower training.optimizer.lr" in message
    assert "\n" not in message
    for path in list_checkpoints(tmp_path / "checkpoints"):
        assert int(path.name[5:]) <= at
        assert all(t.isfinite().all() for t in load_checkpoint(path)[0].values())


@pytest.mark.parametrize("at", [3, 7])
def test_a_gradient_that_is_not_finite_stops_it_before_a_bad_checkpoint(family_store, tmp_path, monkeypatch, at):
    """The loss of the step is still finite and a checkpoint is due: its weights would be NaN."""
    poison(monkeypatch, at, None, where="gradient")
    monkeypatch.setattr("gde.training.validate", lambda *_: 1.0)
    with pytest.raises(GdeError, match=f"not finite at step {at} "):
        train(tiny.experiment(), family_store, tmp_path, device=tiny.CPU)
    assert [int(p.name[5:]) for p in list_checkpoints(tmp_path / "checkpoints")] == list(range(4, at, 4))


@pytest.mark.parametrize("mixer", [None, {"kind": "dirichlet_k", "k": 2}], ids=["groups", "mixtures"])
def test_the_groups_of_the_bad_batch_are_named(cells_store, cells_h5ad, tmp_path, monkeypatch, mixer):
    poison(monkeypatch, 2, math.nan)
    with pytest.raises(GdeError) as e:
        train(tiny.cells_experiment(cells_h5ad, {"mixer": mixer}), cells_store, tmp_path, device=tiny.CPU)
    named = str(e.value).partition("(batch of ")[2].partition(")")[0].split(", ")
    training = cells_store.groups["group"].iloc[cells_store.select("train")]
    assert 1 <= len(named) <= 5
    assert set(named) <= set(training)


def test_a_store_without_validation_groups_is_refused(cells_store, cells_h5ad, tmp_path, monkeypatch):
    groups = cells_store.groups.assign(split="train")
    monkeypatch.setattr(cells_store, "groups", groups)
    with pytest.raises(GdeError, match="no validation groups"):
        train(tiny.cells_experiment(cells_h5ad), cells_store, tmp_path, device=tiny.CPU)


def test_a_validation_that_is_never_finite(family_store, tmp_path, monkeypatch):
    monkeypatch.setattr("gde.training.validate", lambda *_: math.nan)
    with pytest.raises(GdeError, match=r"never finite; lower training.optimizer.lr"):
        train(tiny.experiment(), family_store, tmp_path, device=tiny.CPU)


def test_validation_depends_on_the_weights_alone(cells_store, cells_h5ad):
    config = tiny.cells_experiment(cells_h5ad)
    model = tiny.model_for(cells_store, config)
    losses = set()
    for seed in range(3):
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002 (a stray use of the global generator would show)
        batch = validation_batch(cells_store, config, device=tiny.CPU)
        losses.add(validate(model, batch, config, tiny.CPU))
    assert len(losses) == 1


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_other_optimisers_and_no_clipping(family_store, tmp_path, optimizer):
    changes = {"training.optimizer": {"kind": optimizer, "lr": 1e-3}, "training.grad_clip": None, "training.ema": 0.0}
    model, _ = train(tiny.experiment(changes), family_store, tmp_path, device=tiny.CPU)
    tensors, _ = load_checkpoint(list_checkpoints(tmp_path / "checkpoints")[-1])
    assert all(torch.equal(v, tensors["model/" + k[8:]]) for k, v in tensors.items() if k.startswith("average/"))
    assert all(v.isfinite().all() for v in model.state_dict().values())
