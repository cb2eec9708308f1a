"""The isometry term: the right distances, and a gradient that is finite everywhere."""

import pytest
import tiny
import torch

from gde.distances.exact import exact_w2
from gde.objectives import isometry
from gde.objectives.isometry import isometry_loss, pair_distances
from gde.objectives.reconstruction import reconstruction
from gde.sets.batch import Batch
from gde.sets.families import build
from gde.sets.random import ShardRandom
from gde.sets.sampler import FamilySampler, SetSampler
from gde.sets.source import make_family
from gde.training import train


def family_batch(family_store, kind="mvn"):
    family = make_family(family_store) if kind == "mvn" else build(kind)
    return family, FamilySampler(family, n_sets=8, set_size=400, seed=0)(0)


@pytest.mark.parametrize("kind", ["mvn", "gmm", "poisson", "multinomial", "mvn_lowrank"])
def test_synthetic_sets_use_the_closed_form_of_all_pairs(family_store, kind):
    family, batch = family_batch(family_store, kind)
    i, j, w2 = pair_distances(batch)
    assert sorted(zip(i.tolist(), j.tolist(), strict=True)) == [(a, b) for a in range(8) for b in range(a + 1, 8)]
    expected = torch.as_tensor(family.w2(batch.params))[i, j]
    torch.testing.assert_close(w2.double(), expected, rtol=1e-6, atol=1e-6)


def test_real_sets_use_exact_transport_between_real_samples(cells_store):
    """Neighbours in the batch; what stands behind the mask does not count."""
    batch = SetSampler(cells_store, n_sets=8, set_size=24, seed=0)(0)
    assert batch.mask is not None
    i, j, w2 = pair_distances(batch)
    assert len(i) == 8
    for a, b, found in zip(i, j, w2, strict=True):
        x, y = (batch.x[k][batch.mask[k]] for k in (a, b))
        torch.testing.assert_close(found, exact_w2(x, y), rtol=1e-6, atol=1e-6)


def test_large_sets_are_cut(cells_store, monkeypatch):
    monkeypatch.setattr(isometry, "POINTS", 5)
    batch = SetSampler(cells_store, n_sets=4, set_size=8, seed=0)(0)
    w2 = pair_distances(batch)[2]
    torch.testing.assert_close(w2[1], exact_w2(batch.x[1, :5], batch.x[0, :5]))


def test_the_loss_is_zero_for_an_isometry_and_grows_with_its_square(family_store):
    """In one dimension with equal variances, mean / unit is an isometric embedding."""
    mean = torch.tensor([[0.0], [1.0], [3.0], [7.0]])
    params = {"mean": mean, "cov": torch.ones(4, 1, 1)}
    batch = Batch(torch.zeros(4, 2, 1), params=params, pair_w2=build("normal").pair_w2)
    z = torch.cat([mean / 2, torch.zeros(4, 1)], 1)
    assert isometry_loss(z, batch, unit=2.0) < 1e-9
    pairs = torch.tensor([1.0, 3, 7, 2, 6, 4]) / 2
    torch.testing.assert_close(isometry_loss(3 * z, batch, unit=2.0), (2 * pairs).square().mean())


@pytest.mark.parametrize("data", ["family", "cells"])
def test_gradients_are_finite_also_where_embeddings_coincide(data, family_store, cells_store):
    batch = (
        family_batch(family_store)[1] if data == "family" else SetSampler(cells_store, n_sets=8, set_size=24, seed=0)(0)
    )
    for z in (torch.zeros(8, 3), torch.randn(8, 3)):
        z.requires_grad_()
        isometry_loss(z, batch, unit=1.0).backward()
        assert z.grad.isfinite().all()
    assert z.grad.abs().sum() > 0


def test_the_objective_adds_the_weighted_term(cells_store, cells_h5ad):
    model = tiny.model_for(cells_store, tiny.cells_experiment(cells_h5ad))
    batch = SetSampler(cells_store, n_sets=8, set_size=24, seed=0)(0)
    losses = [reconstruction(model, batch, ShardRandom(0, 0), isometry=w) for w in (0.0, 0.5, 2.0)]
    assert set(losses[0]) == {"loss"}
    for weight, out in zip((0.5, 2.0), losses[1:], strict=True):
        torch.testing.assert_close(out["generator"], losses[0]["loss"])
        torch.testing.assert_close(out["loss"], out["generator"] + weight * out["isometry"])
    losses[2]["loss"].backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("data", ["family", "cells"])
def test_training_with_the_term_runs_and_is_logged(data, family_store, cells_store, cells_h5ad, tmp_path, no_fsync):
    changes = {"objective": {"kind": "reconstruction", "isometry": 0.1}, "training.steps": 4}
    config = tiny.experiment(changes) if data == "family" else tiny.cells_experiment(cells_h5ad, changes)
    train(config, family_store if data == "family" else cells_store, tmp_path, device=tiny.CPU)
    assert '"isometry"' in (tmp_path / "log.jsonl").read_text()
