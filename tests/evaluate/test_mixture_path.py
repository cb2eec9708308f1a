"""Laws of the path between mixtures and of the deviation from it."""

import numpy as np
import pytest
import torch
from fakes import MomentModel, context

from gde.distances.mixture import mw2
from gde.evaluate.simulated.mixture_path import mixture_deviation, mw2_path
from gde.evaluate.simulated.sets import Sets
from gde.sets.families import build
from gde.sets.random import ShardRandom

FAMILY = build("gmm")


@pytest.fixture(scope="module")
def sets():
    """Mixtures whose embeddings are unit vectors: a point of a latent line says which pair it is of, and where."""
    return Sets(np.arange(8), torch.eye(8), FAMILY.draw(8, ShardRandom(0, 0)), 500)


class Along(MomentModel):
    """Generates, on a line between unit vectors, samples of the MW2 path or of the linear mixture."""

    def __init__(self, sets: Sets, linear: bool):
        super().__init__(2)
        self.sets, self.linear = sets, linear

    def sample(self, z, n, *, generator=None):
        return torch.cat([self.one(row, n, k) for k, row in enumerate(z)])

    def one(self, row, n, k):
        ends, rng = row.nonzero()[:, 0], ShardRandom(5, k)
        if len(ends) == 1:
            return FAMILY.sample({name: v[ends] for name, v in self.sets.params.items()}, n, rng)
        i, j = ends.tolist()
        if self.linear:
            params = {name: torch.cat([v[i], v[j]])[None] for name, v in self.sets.params.items()}
            params["weight"] = params["weight"] * row[ends].repeat_interleave(3)
            return FAMILY.sample(params, n, rng)
        return FAMILY.sample(mw2_path(self.sets, i, j, row[j : j + 1]), n, rng)


def test_the_path_runs_between_the_ends_at_constant_speed(sets):
    t = torch.linspace(0, 1, 5)
    path = mw2_path(sets, 0, 1, t)
    torch.testing.assert_close(path["weight"].sum(1), torch.ones(5))
    steps = [tuple(path[k][i : i + 1] for k in ("weight", "mean", "cov")) for i in range(5)]
    ends = [tuple(sets.params[k][i : i + 1] for k in ("weight", "mean", "cov")) for i in (0, 1)]
    length = float(mw2(*ends[0], *ends[1]))
    for i in range(5):
        assert float(mw2(*ends[0], *steps[i])) == pytest.approx(float(t[i]) * length, abs=2e-3)
        assert float(mw2(*steps[i], *ends[1])) == pytest.approx(float(1 - t[i]) * length, abs=2e-3)


@pytest.mark.parametrize("linear", [False, True], ids=["path", "mixture"])
def test_the_deviation_of_known_models(sets, linear):
    options = {"geodesic_pairs": 12, "geodesic_steps": 6, "bootstrap": 20}
    metric, table = mixture_deviation(context(options, model=Along(sets, linear)), FAMILY, sets)
    known = metric["baselines"]["linear_mixture"] if linear else metric["ceiling"]
    assert metric["value"] == pytest.approx(known, rel=0.15)
    assert metric["ceiling"] < 0.6 * metric["baselines"]["linear_mixture"]
    assert metric["n"] == 12
    assert len(table) == 72
