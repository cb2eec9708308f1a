"""The effect of a condition is carried over to a context in which it was never seen."""

import numpy as np
import pytest
import tiny
import torch
import worlds

from gde.errors import GdeError
from gde.nets.registry import resolve_kind
from gde.objectives import REGISTRY
from gde.objectives.perturbation import perturbation
from gde.sets.companions import control_of, rank_of
from gde.sets.random import ShardRandom
from gde.sets.source import make_sampler
from gde.sets.store.set_store import SetStore
from gde.training import build_models, train

OBJECTIVE = {"kind": "perturbation", "control": {"gene": "none"}, "within": ["line"], "rank": 8}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return worlds.lines_and_genes(tmp_path_factory.mktemp("lines") / "sets")


def test_shifts_of_held_out_combinations(world, tmp_path, no_fsync):
    """Better than no shift, than the mean shift of the gene in the other lines, and than that of the line's genes."""
    store, shift = world
    config = worlds.experiment(OBJECTIVE, latent_dim=8, **{"training.steps": 500})
    model, _ = train(config, store, tmp_path, device=tiny.CPU)
    table, held = store.groups, store.select("test")
    control = {line: g for g, line in table["line"].items() if table["gene"][g] == "none"}
    x = np.stack([store.read(control[line]) for line in table["line"].iloc[held]])
    z = model.embed(torch.from_numpy(x))
    moved = model.predict_perturbed(z, table["gene"].iloc[held].tolist())
    predicted = (model.predict_mean(moved) - model.predict_mean(z)).numpy()

    train_rows = (table["split"] == "train") & (table["gene"] != "none")
    by_gene, by_line = (
        np.stack([shift[train_rows & (table[column] == value)].mean(0) for value in table[column].iloc[held]])
        for column in ("gene", "line")
    )

    def error(guess):
        return float(np.square(guess - shift[held]).sum(1).mean())

    assert len(held) >= 6
    assert error(predicted) < 0.5 * min(error(0.0), error(by_gene), error(by_line))
    # the mean predictor is right about held-out sets, in data units
    own = np.stack([store.read(g) for g in held])
    found = model.predict_mean(model.embed(torch.from_numpy(own))).numpy()
    assert np.abs(found - own.mean(1)).mean() < 0.4


@pytest.fixture
def untrained(world):
    config = worlds.experiment(OBJECTIVE)
    model, _ = build_models(config, world[0], tiny.CPU)
    return tiny.perturb(model), make_sampler(world[0], config, only=None, device=tiny.CPU)(1)


def test_the_terms_are_the_errors_of_mean_and_shift(untrained, world):
    model, batch = untrained
    out = perturbation(model, batch, ShardRandom(0, 0), mean_weight=3.0, shift_weight=2.0)
    z, z_control = model.embed(batch.x), model.embed(batch.control.x)
    names = world[0].groups["gene"].iloc[batch.group]
    valid = batch.control.valid
    assert torch.equal(valid, torch.tensor((names != "none").to_numpy()))
    assert 0 < valid.sum() < 16
    gap = (model.predict_mean(z) - batch.x.mean(1)) / model.x_scale
    torch.testing.assert_close(out["mean"], gap.square().mean())
    moved = model.predict_perturbed(z_control, ["G1" if n == "none" else n for n in names])
    predicted = model.predict_mean(moved) - model.predict_mean(z_control)
    gap = (predicted - (batch.x.mean(1) - batch.control.x.mean(1))) / model.x_scale
    expected = torch.where(valid, gap.square().mean(1), 0.0).mean()
    torch.testing.assert_close(out["shift"], expected, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(out["loss"], out["generator"] + 3 * out["mean"] + 2 * out["shift"])


def test_the_gradient_reaches_everything(untrained):
    model, batch = untrained
    perturbation(model, batch, ShardRandom(0, 0))["loss"].backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


@pytest.mark.parametrize("kind", ["perturbation", "ordered", "classification"])
def test_bfloat16_changes_the_terms_by_rounding_only(world, kind):
    options = {
        "perturbation": OBJECTIVE,
        "ordered": {"kind": "ordered", "order_by": "rank"},
        "classification": {"kind": "classification", "label": "line"},
    }[kind]
    groups = world[0].groups.assign(rank=np.arange(len(world[0])) % 3)
    store = SetStore(world[0].path, groups, world[0].meta, world[0].fields, world[0].digest)
    config = worlds.experiment(options)
    model = tiny.perturb(build_models(config, store, tiny.CPU)[0])
    batch = make_sampler(store, config, only=None, device=tiny.CPU)(0)
    objective = resolve_kind(REGISTRY, kind)
    exact = objective(model, batch, ShardRandom(0, 0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = objective(model, batch, ShardRandom(0, 0))
    rounded["loss"].backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())
    for name, term in exact.items():
        assert rounded[name].dtype == torch.float32
        torch.testing.assert_close(rounded[name], term, rtol=0.05, atol=0.01)


def test_only_trained_conditions_can_be_asked_for(untrained):
    model, _ = untrained
    with pytest.raises(GdeError, match=r"condition: found 'G99', expected one of G1, G2"):
        model.predict_perturbed(torch.zeros(2, 4), "G99")
    with pytest.raises(GdeError, match=r"condition: found 3 conditions, expected 1 or 2"):
        model.predict_perturbed(torch.zeros(2, 4), ["G1", "G2", "G3"])


@pytest.mark.parametrize(
    ("rank", "conditions", "expected"),
    [("auto", 2, 1), ("auto", 6, 1), ("auto", 40, 10), ("auto", 256, 64), ("auto", 2000, 64), (64, 6, 64)],
)
def test_the_rank_follows_the_number_of_conditions(rank, conditions, expected):
    assert rank_of(rank, conditions) == expected


def test_the_store_says_which_groups_are_controls(world):
    store = world[0]
    names, control = control_of(store, {"gene": "none"})
    told = SetStore(store.path, store.groups, store.meta | {"control": "none"}, store.fields, store.digest)
    again, found = control_of(told, None)
    assert (found == control).all() and (found == (names == "none")).all() and (names == again).all()
    config = worlds.experiment(OBJECTIVE | {"rank": "auto"})
    config["objective"]["control"] = None
    model = build_models(config, told, tiny.CPU)[0]
    assert model.heads["perturbation"].inward.out_features == 2  # of eight genes
    with pytest.raises(GdeError, match=r"objective\.control: found a data set that does not say"):
        control_of(store, None)
