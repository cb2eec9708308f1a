"""Search among held-out groups: places, purity, chance, and what stands between the sets that are compared."""

import numpy as np
import pytest
from fakes import context
from tokens import sequences, store_of

from gde.config.evaluations.base import RETRIEVAL
from gde.errors import GdeError
from gde.evaluate.sequences.retrieval import by_group, purities, ranks, retrieval, searches, whitened

RNG = np.random.default_rng(0)
OPTIONS = {"most": 20, "searched": 50, "set_size": 5, "repeats": 3}


def test_places_are_counted_from_the_most_similar():
    known = np.array([[1.0, 0], [0, 1], [-1, 0], [0, -1]])
    asked = np.array([[0.9, 0.2], [0.9, 0.2], [0.9, 0.2], [0.9, 0.2]])
    assert ranks(asked, known, np.arange(4)).tolist() == [1, 2, 4, 3]
    assert ranks(7 * asked + 0, known, np.arange(4)).tolist() == [1, 2, 4, 3]  # lengths do not count
    assert ranks(np.zeros((4, 2)), known, np.arange(4)).tolist() == [2.5] * 4  # the middle of four equal ones


def test_purity_is_that_of_the_nearest_sets():
    asked = np.array([[1.0, 0], [0.9, 0.1], [0, 1], [0.1, 0.9], [-1, -1]])
    own = purities(asked, np.array([0, 0, 1, 1, 2]))
    assert own[:4].tolist() == [1, 1, 1, 1] and np.isnan(own[4])
    mixed = purities(asked, np.array([0, 1, 0, 1, 2]))
    assert mixed[:4].tolist() == [0, 0, 0, 0]


def test_perfect_and_blind_embeddings():
    groups, sets, dim = 40, 4, 24
    centre = RNG.normal(size=(groups, dim))
    of = np.repeat(np.arange(groups), sets)
    perfect = centre[of] + 0.01 * RNG.normal(size=(len(of), dim)), centre
    blind = RNG.normal(size=(len(of), dim)), RNG.normal(size=(groups, dim))
    ctx = context({"bootstrap": 50})
    metrics, tables = retrieval(ctx, {"gde": perfect, "blind": blind}, of)
    assert ctx.left == [] and set(metrics) == set(RETRIEVAL)
    for metric in metrics.values():
        assert metric["value"] == pytest.approx(1) and metric["ceiling"] == 1.0 and metric["n"] == groups
        assert metric["baselines"]["blind"] == pytest.approx(metric["chance"], abs=0.08)
    assert metrics["retrieval/recall_1"]["chance"] == 1 / 40 and metrics["retrieval/recall_10"]["chance"] == 0.25
    curve = tables["retrieval"].set_index("source")["recall [1]"]
    assert (curve["gde"] == 1).all() and curve["blind"].is_monotonic_increasing and curve["blind"].iloc[-1] == 1


@pytest.mark.parametrize(("groups", "there"), [(10, False), (11, True)])
def test_what_is_so_by_construction_is_left_out(groups, there):
    """Among ten groups each is among the first ten."""
    blind = RNG.normal(size=(2 * groups, 5)), RNG.normal(size=(groups, 5))
    ctx = context({"bootstrap": 5})
    metrics, tables = retrieval(ctx, {"gde": blind}, np.repeat(np.arange(groups), 2))
    assert ("retrieval/recall_10" in metrics) == there and "retrieval/recall_1" in metrics
    assert ctx.left == [] if there else [name for name, _ in ctx.left] == ["retrieval/recall_10"]
    assert there or ctx.left[0][1] == "10 held-out groups, all of them among the first 10"
    assert tables["retrieval"]["recall [1]"].iloc[-1] == 1  # the curve goes to the end


def test_whitening_finds_what_one_long_direction_hides():
    groups, sets = 40, 3
    centre, of = RNG.normal(size=(groups, 8)), np.repeat(np.arange(groups), sets)

    def told(points):
        """The first direction says nothing of the group, and is ten times as long as the others."""
        return np.hstack([10 * RNG.normal(size=(len(points), 1)), points + 0.05 * RNG.normal(size=points.shape)])

    metrics, _ = retrieval(context({"bootstrap": 5}), {"gde": (told(centre[of]), told(centre))}, of)
    assert metrics["retrieval/recall_1"]["value"] < 0.5 < 0.7 < metrics["retrieval/whitened"]["value"]


def test_whitened_components_have_equal_spread():
    known = RNG.normal(size=(50, 6)) * np.array([10, 3, 2, 1, 1, 1e-3])
    asked, white = whitened(known[:5], known)
    assert white.shape == (50, 5)  # the last component is nothing beside the first
    np.testing.assert_allclose(white.T @ white, np.eye(5), atol=1e-9)
    np.testing.assert_allclose(asked, white[:5], atol=1e-9)
    same = whitened(np.ones((3, 4)), np.ones((7, 4)))
    assert not same[0].any() and not same[1].any()


def test_groups_count_alike():
    assert by_group(np.array([1.0, 1, 1, 0]), np.array([0, 0, 0, 1])).tolist() == [1, 0]


@pytest.fixture(scope="module", params=["whole groups", "samples"])
def store(request, tmp_path_factory):
    """Groups of 14 sequences: whole ones held out, or seven of each."""
    x, code = sequences(14 * 12, 9, seed=3), np.repeat(np.arange(12), 14)
    splits = ["train", "validation"] + ["test"] * 10
    if request.param == "samples":
        code = 2 * code + np.tile(np.arange(14) >= 7, 12)
        splits = ["train", "test"] * 12
    path = tmp_path_factory.mktemp("store") / "s"
    made = store_of(x, code, path, splits=splits, topic=[f"t{i}" for i in range(len(splits))])
    if request.param == "samples":
        made.groups["group"] = np.repeat([f"g{i}" for i in range(12)], 2)
    return made


def test_sets_are_disjoint_and_of_held_out_samples(store):
    found = searches(store, OPTIONS, np.random.default_rng(1))
    split = np.repeat(store.groups["split"].to_numpy(), store.sizes)
    name = np.repeat(store.groups["group"].to_numpy(), store.sizes)
    everything = np.concatenate([*found.asked, *(k for k in found.known)])
    assert len(np.unique(everything)) == len(everything)
    for rows, i in zip(found.asked, found.of, strict=True):
        assert (split[rows] == "test").all() and len(rows) <= 5
        assert set(name[rows]) == {store.groups["group"][found.held[i].group]} == set(name[found.known[i]])
    assert (np.bincount(found.of) == 2).all()  # two sets where there are seven: neither is of more than half of them


def test_too_few_held_out_groups_are_refused(tmp_path):
    store = store_of(sequences(30, 5), np.repeat([0, 1, 2], 10), tmp_path / "s", splits=["train", "test", "test"])
    with pytest.raises(GdeError, match="2 held-out groups"):
        searches(store, OPTIONS, np.random.default_rng(0))
