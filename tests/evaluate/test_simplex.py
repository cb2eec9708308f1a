"""Laws of the simplex metric."""

import numpy as np
import pytest
import torch
from fakes import BlindModel, MomentModel, config, context, family_store

from gde.evaluate.shared.context import Context
from gde.evaluate.shared.simplex_grid import simplex_grid
from gde.evaluate.simulated import family
from gde.evaluate.simulated.simplex import evaluate_simplex
from gde.sets.families import build


def simplex(model):
    options = {"simplex_points": 300, "bootstrap": 30}
    return evaluate_simplex(context(options, model=model), build("multinomial"), 4)


def test_the_grid_is_every_way_to_share_nine():
    grid = simplex_grid()
    assert len(grid) == len(set(map(tuple, grid))) == 55
    assert (grid.sum(1) == 9).all()
    assert {(9, 0, 0), (0, 9, 0), (0, 0, 9), (3, 3, 3)} <= set(map(tuple, grid))


def test_an_embedding_by_moments_finds_the_simplex_again():
    metrics, table = simplex(MomentModel(3))
    for metric in metrics.values():
        assert metric["value"] > 0.99
        assert metric["n"] == 55 * 54 // 2
        assert metric["baselines"]["gaussian_w2_of_moments"] > 0.995
    centre = table[np.isclose(table.filter(like="p_"), 1 / 3).all(1)]
    assert len(centre) == 1
    assert (centre.filter(regex="distance|w2").to_numpy() == 0).all()
    corners = table[np.isclose(table.filter(like="p_"), 1).any(1)]
    assert corners["w2 [data units]"].std() == pytest.approx(0, abs=1e-4)  # the three corners are alike


def test_a_blind_embedding_does_not():
    assert abs(simplex(BlindModel(3))[0]["geometry/simplex_pearson"]["value"]) < 0.2


def test_other_numbers_of_categories_have_no_simplex_metric(tmp_path):
    store = family_store(tmp_path / "store", "multinomial", sets=6, size=60, categories=4, alpha=1.0)
    with torch.no_grad():
        metrics, tables = family.evaluate(Context(MomentModel(4), store, config("simulated", clt=False), 0))
    assert "geometry/simplex_pearson" not in metrics
    assert "simplex" not in tables
