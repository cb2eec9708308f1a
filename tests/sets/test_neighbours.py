"""Sets of a group with its neighbours: who they are, and how much of the set is of each."""

import numpy as np
import pytest

from gde.errors import GdeError
from gde.sets.mixer import NeighbourMixer
from gde.sets.sampler import SetSampler


def drawn(store, mixer, *, steps=12, **options):
    """Group and the number of samples from each group, of many sets."""
    sampler = SetSampler(store, n_sets=32, seed=0, mixer=mixer, **({"set_size": 12} | options))
    for step in range(steps):
        batch = sampler(step)
        assert batch.mix is None
        for i, group in enumerate(batch.group.tolist()):
            real = slice(None) if batch.mask is None else batch.mask[i]
            x = batch.x[i][real]
            assert len(x[:, 1].unique()) == len(x)
            yield group, np.bincount(x[:, 0].long(), minlength=len(store))


@pytest.fixture
def quantiles(make_store):
    """Two conditions of five quantiles each, out of order, and one quantile that is tested on."""
    quantile = [3, 0, 1, 4, 2, 0, 1, 2, 3, 4, 5]
    return make_store([40] * 11, ["train"] * 10 + ["test"], quantile=quantile, condition=["a"] * 5 + ["b"] * 6)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_sets_are_of_a_group_and_those_beside_it_in_equal_shares(quantiles, k):
    table = quantiles.groups
    seen = set()
    for group, counts in drawn(quantiles, NeighbourMixer("quantile", ["condition"], k)):
        near = (table["quantile"] - table["quantile"][group]).abs() <= k // 2
        near &= (table["condition"] == table["condition"][group]) & (table["split"] == "train")
        assert set(np.flatnonzero(counts)) == set(np.flatnonzero(near))
        share = counts[counts > 0]
        assert share.sum() == 12
        assert share.max() - share.min() <= 1
        assert counts[group] == share.max()  # what is left over is the middle's
        seen.add(group)
    assert seen == set(range(10))


def test_groups_of_one_place_take_turns(make_store):
    store = make_store([30] * 4, level=[0, 1, 1, 2])
    beside_first = {
        tuple(np.flatnonzero(counts)) for group, counts in drawn(store, NeighbourMixer("level")) if group == 0
    }
    assert beside_first == {(0, 1), (0, 2)}
    of_middle = {tuple(np.flatnonzero(counts)) for group, counts in drawn(store, NeighbourMixer("level")) if group == 1}
    assert of_middle == {(0, 1, 3)}


def test_samples_lie_in_random_order(quantiles):
    """Cut in two, both halves of a set are of all its groups: objectives that predict one from the other rely on it."""
    sampler = SetSampler(quantiles, n_sets=64, set_size=30, seed=0, mixer=NeighbourMixer("quantile", ["condition"]))
    x = sampler(0).x[..., 0]
    for half in (x[:, ::2], x[:, 1::2], x[:, :10], x[:, 20:]):
        share = (half == sampler(0).group[:, None]).float().mean()
        assert 0.3 < share < 0.45  # a third inside the order, a half at its four ends of ten


def test_small_groups_give_what_they_have(make_store):
    store = make_store([3, 30], level=[0, 1])
    for group, counts in drawn(store, NeighbourMixer("level"), set_size=10):
        assert counts.tolist() == [3, 5], group


def test_sets_follow_from_seed_step_and_shard(quantiles):
    def batch(only=None):
        mixer = NeighbourMixer("quantile", ["condition"])
        return SetSampler(quantiles, n_sets=32, set_size=9, seed=5, mixer=mixer, shards=4, only=only)(3).x

    whole = batch()
    assert (whole == batch()).all()
    assert (whole[16:24] == batch([2])).all()


@pytest.mark.parametrize(
    ("mixer", "message"),
    [
        (lambda: NeighbourMixer("quantile", k=2), r"mixer\.k: found 2, expected an odd number"),
        (lambda: NeighbourMixer("quantle"), "mixer.along: found 'quantle', expected .*did you mean 'quantile'"),
        (lambda: NeighbourMixer("condition"), "mixer.along: found 'condition' with value 'a', expected numbers"),
        (lambda: NeighbourMixer("quantile", ["medium"]), "mixer.within: found 'medium'"),
        (lambda: NeighbourMixer("holes"), "mixer.along: found no 'holes' for group 'g1', expected a number for each"),
    ],
)
def test_impossible_orders_are_refused(make_store, mixer, message):
    store = make_store([4, 4, 4], quantile=[0, 1, 2], condition=["a", "b", "b"], holes=[1.0, np.nan, 2.0])
    with pytest.raises(GdeError, match=message):
        SetSampler(store, n_sets=4, set_size=2, seed=0, mixer=mixer())
