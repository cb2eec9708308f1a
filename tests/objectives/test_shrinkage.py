"""Predictions of new conditions are shrunk to what validation conditions bear out."""

import sys
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
import worlds

from gde.models.base import Model
from gde.objectives.shrinkage import shrink_new_conditions
from gde.sets.source import make_companions
from gde.sets.store.set_store import SetStore
from gde.training import build_models, train

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "evaluate"))
import cells


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> SetStore:
    return cells.screen(tmp_path_factory.mktemp("screen") / "sets", d=8, cells=20, batches=False)[0]


def settings(conditions: str = "vectors", **changes) -> dict:
    return worlds.experiment(cells.SCREEN | {"conditions": conditions, "rank": 8}, latent_dim=8, **changes)


@pytest.fixture
def model(store):
    built = tiny.perturb(build_models(settings(), store, tiny.CPU)[0]).eval()
    shrink_new_conditions(built, store, settings())
    return built


def shifts(model: Model, store: SetStore) -> tuple[np.ndarray, np.ndarray]:
    """Predicted and true shifts (g, d), standardised, of the validation groups whose condition never trained."""
    matches, table = make_companions(store, settings(), "validation").matches, store.groups
    new = ~table["gene"].isin(table["gene"][table["split"] == "train"])
    predicted, truth = [], []
    for g in np.flatnonzero((table["split"] == "validation") & new):
        control = np.concatenate([store.read(int(c)) for c in matches.of(g)])
        z = model.encode(torch.from_numpy(control)[None])
        moved = model.predict_mean(model.predict_perturbed(z, table["gene"][g])) - model.predict_mean(z)
        predicted.append((moved[0] / model.x_scale).detach().numpy())
        truth.append((store.read(g).mean(0) - control.mean(0)) / model.x_scale.numpy())
    return np.stack(predicted), np.stack(truth)


def test_no_other_factors_fit_validation_conditions_better(model, store):
    head = model.heads["perturbation"]
    trained, best = head.trained.clone(), head.factors.clone()

    def error(factors) -> float:
        head.shrink(trained, torch.as_tensor(factors))
        predicted, truth = shifts(model, store)
        return float((np.square(predicted - truth).sum(1) / np.square(truth).sum(1)).sum())

    least = error(best)
    assert ((best >= 0) & (best <= 1)).all()
    for factors in [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 0.5), *(np.clip(best.numpy() + 0.05 * d, 0, 1) for d in
                    np.array([[1, 0], [-1, 0], [0, 1], [0, -1]]))]:  # fmt: skip
        assert error(factors) >= least * (1 - 1e-6), factors


def test_what_trained_is_predicted_as_before(store):
    model = tiny.perturb(build_models(settings(), store, tiny.CPU)[0]).eval()
    z = torch.randn(60, 8, generator=torch.Generator().manual_seed(0))
    names = model.heads["perturbation"].conditions.names
    before = model.predict_perturbed(z, names)
    shrink_new_conditions(model, store, settings())
    after, head = model.predict_perturbed(z, names), model.heads["perturbation"]
    table = store.groups
    trained = np.isin(names, table["gene"][table["split"] == "train"])
    assert (head.trained.numpy() == trained).all() and 0 < trained.sum() < len(names)
    assert torch.equal(after[trained], before[trained])
    assert (after[~trained] != before[~trained]).any(1).all()
    head.train()  # while it trains nothing is shrunk
    assert torch.equal(model.predict_perturbed(z, names), before)


def test_further_conditions_are_new_and_the_factors_are_saved(model, tmp_path):
    head, z = model.heads["perturbation"], torch.randn(1, 8, generator=torch.Generator().manual_seed(0))
    model.save(tmp_path / "model")
    again = Model.load(tmp_path / "model")
    untried = head.conditions.names[int((~head.trained).nonzero()[0, 0])]
    for m in (model, again):
        m.heads["perturbation"].extend(
            ["NEW"], m.heads["perturbation"].conditions.given[[head.conditions.names.index(untried)]]
        )
    assert torch.equal(model.predict_perturbed(z, untried), again.predict_perturbed(z, untried))
    torch.testing.assert_close(again.predict_perturbed(z, "NEW"), model.predict_perturbed(z, untried))


def test_vectors_that_tell_nothing_are_not_believed(store, tmp_path, no_fsync):
    """Trained on each other's vectors: the predicted shift of a new condition is of no use, and next to nothing of what
    is its own is left; with the true ones most of it is."""
    own = {}
    for conditions in ("vectors", "shuffled_vectors"):
        model, _ = train(settings(conditions, **{"training.steps": 300}), store, tmp_path / conditions, device=tiny.CPU)
        own[conditions] = float(model.heads["perturbation"].factors[1])
    assert own["vectors"] > 0.7 and own["shuffled_vectors"] < 0.3, own


def test_without_a_new_validation_condition_nothing_is_shrunk(store, caplog):
    table = store.groups.assign(split=store.groups["split"].replace("validation", "train"))
    one = table["gene"].eq(table["gene"][table["split"] == "train"].iloc[1]) & (table["cell_line"] == "L1")
    table.loc[one, "split"] = "validation"
    other = SetStore(store.path, table, store.meta, store.fields, store.digest)
    model = build_models(settings(), other, tiny.CPU)[0]
    with caplog.at_level("INFO"):
        shrink_new_conditions(model, other, settings())
    assert "not shrunk" in caplog.text and (model.heads["perturbation"].factors == 1).all()
