"""The test that embeds every deal anew: valid p-values and power."""

import numpy as np
import pytest
import tiny
import torch

from gde.compare import compare
from gde.model import GDE
from gde.sets.families import build
from gde.sets.random import ShardRandom


def untrained(dim=2, kind="resnet") -> GDE:
    """A model of random weights: the test is valid for any."""
    torch.manual_seed(0)
    encoder = {"kind": kind} if kind == "mean" else {"kind": kind, "hidden": 16, "layers": 1}
    config = tiny.experiment({"encoder": encoder}) | {"run": "tiny-00000000"}
    return tiny.perturb(GDE(config, mean=torch.zeros(dim), scale=torch.full((dim,), 2.0)))


def same(kind: str, sets: int, n: int, **params) -> np.ndarray:
    """Sets (sets, n, d) of distributions of a family."""
    family = build(kind, **params)
    return family.sample(family.draw(sets, ShardRandom(1, 0)), n, ShardRandom(1, 0, stream="x")).numpy()


@pytest.mark.parametrize(
    ("kind", "dim", "sizes"), [("mvn", 2, (20, 20)), ("gmm", 2, (12, 40)), ("poisson", 1, (30, 10))]
)
def test_equal_distributions_are_told_apart_as_often_as_the_level_says(kind, dim, sizes):
    """200 tests under the null hypothesis, groups of unequal sizes and counts with ties among them."""
    model, x = untrained(dim), same(kind, 200, sum(sizes))
    p = np.array(
        [compare(model, *np.split(own, [sizes[0]]), permutations=39, seed=k).p_value for k, own in enumerate(x)]
    )
    assert 0.02 <= (p <= 0.05).mean() <= 0.09
    assert (p <= 0.5).mean() == pytest.approx(0.5, abs=0.12)
    assert p.min() >= 1 / 40


@pytest.mark.parametrize("change", [lambda x: x + 1.0, lambda x: 2 * x], ids=["location", "scale"])
def test_different_distributions_are_told_apart(change):
    model, rng = untrained(), np.random.default_rng(0)
    found = [
        compare(model, rng.normal(size=(50, 2)), change(rng.normal(size=(50, 2))), permutations=39, seed=k).p_value
        for k in range(20)
    ]
    assert np.mean(np.array(found) <= 0.05) > 0.8


def test_the_same_seed_gives_the_same_test_and_another_one_nearly():
    a, b = same("mvn", 2, 40)
    results = [compare(untrained(), a, b, permutations=199, seed=seed) for seed in (0, 0, 1)]
    assert results[0] == results[1]
    assert results[0].distance == results[2].distance
    assert results[2].p_value == pytest.approx(results[0].p_value, abs=0.1)


def test_the_distance_is_that_of_the_embeddings():
    model, (a, b) = untrained(), same("mvn", 2, 40)
    with torch.no_grad():
        z = [model.encode(torch.from_numpy(x)[None]) for x in (a, b)]
    assert compare(model, a, b, permutations=9).distance == pytest.approx(float((z[0] - z[1]).norm()), rel=1e-4)


def test_samples_that_are_all_equal_show_nothing():
    x = np.ones((10, 2))
    assert compare(untrained(), x[:4], x[4:], permutations=19).p_value == 1


@pytest.mark.parametrize(("a", "b"), [((1, 2), (5, 2)), ((5, 2), (5, 3)), ((5,), (5,))])
def test_shapes_that_cannot_be_compared(a, b):
    with pytest.raises(ValueError, match=r"\(n, d\) and \(m, d\) with n, m >= 2"):
        compare(untrained(), np.zeros(a), np.zeros(b))
