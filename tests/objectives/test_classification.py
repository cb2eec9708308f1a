"""Labels are read off embeddings of groups that training never saw."""

import math
from dataclasses import replace

import numpy as np
import pytest
import tiny
import torch
import worlds

from gde.cli.train_run import train_run
from gde.errors import GdeError
from gde.model import GDE
from gde.objectives.classification import classification
from gde.sets.random import ShardRandom
from gde.sets.source import make_sampler
from gde.training import build_models, train

OBJECTIVE = {"kind": "classification", "label": "shape"}
MIXER = {"kind": "dirichlet_k", "k": 2, "alpha": 1.0}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return worlds.shapes(tmp_path_factory.mktemp("shapes") / "sets")


@pytest.mark.parametrize("mixer", [None, MIXER], ids=["groups", "mixtures"])
def test_labels_of_held_out_groups(store, mixer, tmp_path, no_fsync):
    """Chance is one in three; the means, which are all that a mean encoder sees, say nothing."""
    config = worlds.experiment(OBJECTIVE, mixer=mixer)
    model, _ = train(config, store, tmp_path, device=tiny.CPU)
    test = store.select("test")
    x = torch.from_numpy(np.stack([store.read(g) for g in test]))
    probability = model.predict_labels(model.embed(x))
    assert torch.allclose(probability.sum(1), torch.ones(len(test)))
    guess = np.array(model.heads["classifier"].classes)[probability.argmax(1)]
    assert (guess == store.groups["shape"].iloc[test]).mean() > 0.85
    assert '"classification"' in (tmp_path / "log.jsonl").read_text()


@pytest.fixture
def untrained(store):
    config = worlds.experiment(OBJECTIVE, mixer=MIXER)
    model, _ = build_models(config, store, tiny.CPU)
    return tiny.perturb(model), make_sampler(store, config, only=None, device=tiny.CPU)(0)


def test_the_term_is_the_cross_entropy_with_the_realised_shares(untrained):
    """Uniform guesses cost log c whatever the label; the best guess of a mixture costs its entropy."""
    model, batch = untrained
    with torch.no_grad():
        model.heads["classifier"].linear.weight.zero_()
        model.heads["classifier"].linear.bias.zero_()
    out = classification(model, batch, ShardRandom(0, 0), weight=2.0)
    assert float(out["classification"].detach()) == pytest.approx(math.log(3), rel=1e-5)
    torch.testing.assert_close(out["loss"], out["generator"] + 2 * out["classification"])
    batch = replace(batch, label=torch.tensor([[0.5, 0.5, 0.0]]).expand(16, 3))
    with torch.no_grad():
        model.heads["classifier"].linear.bias.copy_(torch.tensor([0.0, 0.0, -30.0]))
    out = classification(model, batch, ShardRandom(0, 0))
    assert float(out["classification"].detach()) == pytest.approx(math.log(2), rel=1e-5)


def test_what_has_no_label_counts_as_nothing(untrained):
    model, batch = untrained
    whole = classification(model, batch, ShardRandom(0, 0))["classification"]
    half = replace(batch, label=torch.cat([batch.label[:8], torch.zeros(8, 3)]))
    other = replace(batch, label=torch.cat([torch.zeros(8, 3), batch.label[8:]]))
    parts = [classification(model, b, ShardRandom(0, 0))["classification"] for b in (half, other)]
    torch.testing.assert_close(sum(parts), whole)


def test_the_gradient_reaches_encoder_and_head(untrained):
    model, batch = untrained
    classification(model, batch, ShardRandom(0, 0))["loss"].backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_isometry_may_be_added(untrained):
    model, batch = untrained
    out = classification(model, batch, ShardRandom(0, 0), weight=0.5, isometry=0.1)
    expected = out["generator"] + 0.1 * out["isometry"] + 0.5 * out["classification"]
    torch.testing.assert_close(out["loss"], expected)


def test_the_head_is_saved_with_its_classes(untrained, tmp_path):
    model, batch = untrained
    model.save(tmp_path / "model")
    loaded = GDE.load(tmp_path / "model")
    assert loaded.heads["classifier"].classes == ["across", "along", "round"]
    z = model.embed(batch.x)
    assert torch.equal(loaded.predict_labels(z), model.predict_labels(z))
    with pytest.raises(GdeError, match=r"found a model with classifier, expected one with the head 'ordered_next'"):
        loaded.predict_next(z)


def test_a_finished_run_keeps_its_heads(store, tmp_path, no_fsync):
    """What is published is loaded with the sizes that the data had."""
    config = worlds.experiment(OBJECTIVE, **{"training.steps": 2})
    train_run(config, store.path, tmp_path / "runs", tmp_path / "model", accelerator="cpu")
    model = GDE.load(tmp_path / "model")
    assert model.config["heads"] == {"classifier": {"classes": ["across", "along", "round"]}}
    assert model.config["budget"]["steps"] == 2
    assert model.predict_labels(torch.zeros(1, 4)).shape == (1, 3)


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        ({"kind": "classification", "label": "shap"}, "objective.label: found 'shap'.*did you mean 'shape'"),
        ({"kind": "ordered", "order_by": "shape"}, "objective.order_by: found 'shape' with value 'along'"),
        ({"kind": "perturbation", "control": {"shape": "square"}}, "objective.control.shape: found 'square'"),
    ],
)
def test_wrong_columns_stop_a_run_before_its_first_step(store, tmp_path, objective, message):
    with pytest.raises(GdeError, match=message):
        train(worlds.experiment(objective), store, tmp_path, device=tiny.CPU)
    assert not (tmp_path / "log.jsonl").exists()


def test_a_model_of_plain_reconstruction_says_that_it_has_no_heads(store):
    model, _ = build_models(worlds.experiment({"kind": "reconstruction"}), store, tiny.CPU)
    assert "heads" not in model.config
    with pytest.raises(GdeError, match="found a model with no heads"):
        model.predict_labels(torch.zeros(1, 4))
