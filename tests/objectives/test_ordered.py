"""The next group's embedding is predicted, and not by making all embeddings alike."""

from dataclasses import replace

import numpy as np
import pytest
import tiny
import torch
import worlds

from gde.errors import GdeError
from gde.objectives.ordered import ordered
from gde.sets.random import ShardRandom
from gde.sets.source import make_sampler
from gde.training import build_models, train

OBJECTIVE = {"kind": "ordered", "order_by": "day", "within": ["series"], "weight": 1.0}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return worlds.circles(tmp_path_factory.mktemp("circles") / "sets")


def embeddings(model, store, rows):
    return model.embed(torch.from_numpy(np.stack([store.read(g) for g in rows])))


def test_steps_of_held_out_series(store, tmp_path, no_fsync):
    """Better than no step and than the mean step, which on a circle is none."""
    model, _ = train(worlds.experiment(OBJECTIVE), store, tmp_path, device=tiny.CPU)
    rows = store.select("test")
    z = embeddings(model, store, rows).unflatten(0, (-1, 8))  # (series, days, l)
    current, following = z[:, :-1].flatten(0, 1), z[:, 1:].flatten(0, 1)
    error = (model.predict_next(current) - following).square().sum(1).mean()
    no_step = (current - following).square().sum(1).mean()
    assert error < 0.05 * no_step
    # the embedding has not shrunk: groups lie further apart than the sets of one group
    again = model.embed(torch.from_numpy(np.stack([store.read(g)[:30] for g in rows])))
    assert z.flatten(0, 1).var(0).sum() > 20 * (again - z.flatten(0, 1)).square().sum(1).mean()


@pytest.fixture
def untrained(store):
    config = worlds.experiment(OBJECTIVE)
    model, _ = build_models(config, store, tiny.CPU)
    return tiny.perturb(model), make_sampler(store, config, only=None, device=tiny.CPU)(0)


def test_the_term_is_the_error_of_the_step(untrained):
    model, batch = untrained
    batch.next.valid[:] = True
    with torch.no_grad():
        z, following = model.embed(batch.x), model.embed(batch.next.x)
    out = ordered(model, batch, ShardRandom(0, 0), weight=3.0)
    torch.testing.assert_close(out["ordered"], (model.predict_next(z) - following).square().mean())
    torch.testing.assert_close(out["loss"], out["generator"] + 3 * out["ordered"])


def test_groups_that_nothing_follows_count_as_nothing(untrained):
    """Neither their error nor what stands in for the set that is missing."""
    model, batch = untrained
    valid = batch.next.valid
    assert 0 < valid.sum() < 16
    term = ordered(model, batch, ShardRandom(0, 0))["ordered"]
    garbage = torch.where(valid[:, None, None], batch.next.x, 1e6)
    changed = replace(batch, next=replace(batch.next, x=garbage))
    torch.testing.assert_close(ordered(model, changed, ShardRandom(0, 0))["ordered"], term)


def test_no_gradient_flows_through_the_target(untrained):
    """With a head that ignores its input, the term says nothing to the encoder."""
    model, batch = untrained
    with torch.no_grad():
        model.heads["ordered_next"].first.weight.zero_()
    ordered(model, batch, ShardRandom(0, 0))["ordered"].backward()
    assert all(p.grad is None or not p.grad.any() for p in model.encoder.parameters())
    assert all(p.grad.isfinite().all() for p in model.heads.parameters())


def test_the_gradient_reaches_encoder_and_head(untrained):
    model, batch = untrained
    ordered(model, batch, ShardRandom(0, 0))["ordered"].backward()
    assert all(p.grad.abs().sum() > 0 for p in [*model.encoder.parameters(), *model.heads.parameters()])


def test_steps_may_depend_on_a_condition(store):
    config = worlds.experiment(OBJECTIVE | {"within": [], "condition": "series"})
    model, _ = build_models(config, store, tiny.CPU)
    tiny.perturb(model)
    z = torch.randn(2, 4)
    names = model.heads["ordered_next"].conditions.names
    assert names == [f"s{i:02d}" for i in range(16) if i % 4 < 2]  # those of training
    one, other = (model.predict_next(z, name) for name in names[:2])
    assert not torch.allclose(one, other)
    assert torch.equal(model.predict_next(z, names[:2]), torch.stack([one[0], other[1]]))
    batch = make_sampler(store, config, only=None, device=tiny.CPU)(0)
    ordered(model, batch, ShardRandom(0, 0))["loss"].backward()
    assert all(p.grad.abs().sum() > 0 for p in model.heads.parameters())
    for wrong, message in (
        ("s99", "found 's99', expected one of s00"),
        (None, "found None"),
        (names[:1], "1 conditions"),
    ):
        with pytest.raises(GdeError, match=message):
            model.predict_next(z, wrong)
