"""Companions are of the right groups, never held-out ones in training, and functions of seed, step and shard."""

import numpy as np
import pytest
import torch

from gde.errors import GdeError
from gde.sets.companions import Controls, Labels, Successors
from gde.sets.mixer import DirichletMixer
from gde.sets.sampler import SetSampler
from gde.sets.store.set_store import SetStore

T, V, E = "train", "validation", "test"


def groups_of(companion) -> np.ndarray:
    """The group of every set: stores of `make_store` write it into the first feature."""
    first = companion.x[..., 0]
    assert (first == first[:, :1]).all()
    return first[:, 0].long().numpy()


def batches(store, companions, *, split=T, steps=8, **options):
    sampler = SetSampler(store, split=split, n_sets=32, set_size=3, seed=0, companions=companions, **options)
    for step in range(steps):
        batch = sampler(step)
        yield batch.group.numpy(), batch


@pytest.fixture
def days(make_store):
    """Two series with gaps and replicates; in the second one a day is held out."""
    columns = {
        "series": ["a", "a", "a", "a", "b", "b", "b", "a"],
        "day": [2.0, 4.0, 4.0, 9.0, 1.0, 2.0, 3.0, np.nan],
    }
    return make_store([9] * 8, splits=[T, T, T, T, T, E, T, T], **columns)


def test_a_group_is_followed_by_those_of_the_next_day_in_its_series(days):
    successors = Successors(days, split=T, order_by="day", within=["series"])
    expected = {0: {1, 2}, 1: {3}, 2: {3}}  # not 4: day 2 of its series is held out, and day 3 is a longer step away
    seen: dict[int, set] = {}
    for group, batch in batches(days, successors):
        following, valid = groups_of(batch.next), batch.next.valid.numpy()
        assert (valid == np.isin(group, list(expected))).all()
        assert (following[~valid] == group[~valid]).all()
        for g, after in zip(group[valid], following[valid], strict=True):
            seen.setdefault(int(g), set()).add(int(after))
    assert seen == expected  # replicates are all drawn
    assert batch.condition is None


def test_without_within_all_groups_are_one_series(days):
    successors = Successors(days, split=T, order_by="day")
    after = {4: {0}, 0: {6}, 6: {1, 2}, 1: {3}, 2: {3}}  # days 1, 2, 3, 4, 9; the other group of day 2 is held out
    for group, batch in batches(days, successors):
        valid = batch.next.valid.numpy()
        assert (valid == np.isin(group, list(after))).all()
        assert all(f in after[g] for g, f in zip(group[valid], groups_of(batch.next)[valid], strict=True))


def test_held_out_groups_are_matched_with_training_groups_only_where_they_must(make_store):
    store = make_store([9] * 5, splits=[V, V, T, T, V], day=[1, 2, 2, 3, 2])
    after = {0: {1, 4}, 1: {3}, 4: {3}}  # day 2 of its own split, not of training; day 3 is in training alone
    for group, batch in batches(store, Successors(store, split=V, order_by="day"), split=V):
        assert batch.next.valid.all()
        assert all(f in after[g] for g, f in zip(group, groups_of(batch.next), strict=True))


@pytest.fixture
def genes(make_store):
    columns = {
        "gene": ["none", "A", "B", "none", "A", "C", "B", "none"],
        "line": ["x", "x", "x", "y", "y", "y", "z", "x"],
    }
    return make_store([9] * 8, splits=[T, T, T, T, T, V, T, T], **columns)


def test_a_group_is_given_a_control_of_its_own_line(genes):
    controls = Controls(genes, split=T, control={"gene": "none"}, within=["line"])
    assert controls.conditions.values == ["A", "B"]
    wanted, drawn = {1: {0, 7}, 2: {0, 7}, 4: {3}}, set()  # line z has no control, and controls have none
    for group, batch in batches(genes, controls):
        control, valid = groups_of(batch.control), batch.control.valid.numpy()
        assert (valid == np.isin(group, list(wanted))).all()
        assert all(c in wanted[g] for g, c in zip(group[valid], control[valid], strict=True))
        assert (batch.condition.numpy()[valid] == [{1: 0, 2: 1, 4: 0}[g] for g in group[valid]]).all()
        drawn |= set(control[valid])
    assert drawn == {0, 7, 3}


def test_conditions_unknown_to_training_are_not_asked_for(genes):
    """C is only in validation: it has a control, of training, but no vector."""
    for _, batch in batches(genes, Controls(genes, split=V, control={"gene": "none"}, within=["line"]), split=V):
        assert (groups_of(batch.control) == 3).all()
        assert not batch.control.valid.any()
        assert (batch.condition == 0).all()


@pytest.mark.parametrize("value", [0, 0.0, "0.0"])
def test_a_control_may_be_a_number(make_store, value):
    store = make_store([9] * 3, dose=[0.0, 0.5, 2.0])
    controls = Controls(store, split=T, control={"dose": value})
    assert controls.conditions.values == ["0.5", "2.0"]


def test_labels_of_groups_and_of_mixtures(make_store):
    columns = {"kind": ["b", "a", "b", None, "c"]}
    store = make_store([20] * 5, splits=[T, T, T, T, V], **columns)
    labels = Labels(store, split=T, label="kind")
    assert labels.classes == ["a", "b"]
    one_hot = torch.tensor([[0.0, 1], [1, 0], [0, 1], [0, 0]])
    for group, batch in batches(store, labels):
        assert torch.equal(batch.label, one_hot[group])
    for _, batch in batches(store, labels, mixer=DirichletMixer(2)):
        torch.testing.assert_close(batch.label, batch.mix @ one_hot)
    for _, batch in batches(store, Labels(store, split=V, label="kind"), split=V):
        assert (batch.label == 0).all()  # a class that training does not know


@pytest.mark.parametrize("make", ["next", "control", "label"])
def test_companions_depend_on_seed_step_and_shard_alone_and_move_nothing_else(days, genes, make):
    store = genes if make == "control" else days
    if make == "next":
        companions = Successors(store, split=T, order_by="day", within=["series"])
    elif make == "control":
        companions = Controls(store, split=T, control={"gene": "none"})
    else:
        companions = Labels(store, split=T, label="series")

    def draw(step=5, seed=0, only=None, companions=companions):
        sampler = SetSampler(store, n_sets=16, set_size=12, seed=seed, only=only, companions=companions)
        batch = sampler(step)
        return batch, getattr(batch, make)

    batch, whole = draw()
    plain = draw(companions=None)[0]
    assert torch.equal(plain.x, batch.x)
    assert torch.equal(plain.group, batch.group)
    tensors = whole if make == "label" else whole.x
    parts = [draw(only=only)[1] for only in ([0, 1], [2], [3])]
    assert torch.equal(torch.cat([p if make == "label" else p.x for p in parts]), tensors)
    if make != "label":
        assert whole.mask.sum(1).eq(9).all()  # groups of 9 are masked, not filled
        assert not torch.equal(draw(step=6)[1].x, tensors)
        assert not torch.equal(draw(seed=1)[1].x, tensors)


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (
            Labels,
            {"label": "lines"},
            r"objective\.label: found 'lines', expected a column of the groups: group, gene, line, batch; "
            r"did you mean 'line'\?",
        ),
        (Labels, {"label": "tissue"}, r"found 'tissue', .*; add it to dataset\.labels"),
        (Labels, {"label": "start"}, r"objective\.label: found 'start'"),
        (
            Labels,
            {"label": "batch"},
            r"objective\.label: found 'batch' with '3' in the training groups, expected two classes or more",
        ),
        (
            Successors,
            {"order_by": "gene"},
            r"objective\.order_by: found 'gene' with value 'none', expected numbers",
        ),
        (Successors, {"order_by": "day"}, r"objective\.order_by: found 'day'"),
        (
            Successors,
            {"order_by": "batch"},
            r"objective\.order_by: found 'batch' with 3\.0, expected a training group that follows another",
        ),
        (
            Controls,
            {"control": {"gene": "non"}},
            r"objective\.control\.gene: found 'non', expected a value of the column: 'none', 'A', 'B', 'C'",
        ),
        (Controls, {"control": {"gen": "none"}}, r"objective\.control\.gen: found 'gen'.*did you mean 'gene'"),
        (
            Controls,
            {"control": {"gene": "none"}, "within": ["donor"]},
            r"objective\.within: found 'donor', expected a column of the groups",
        ),
        (
            Controls,
            {"control": {"gene": "none"}, "within": ["group"]},
            r"objective\.control: found no training group with a control \(gene: none\) of equal group",
        ),
    ],
)
def test_what_the_store_does_not_have_is_refused_by_value(genes, make, options, message):
    store = SetStore(genes.path, genes.groups.assign(batch=3), genes.meta, genes.fields, genes.digest)
    with pytest.raises(GdeError, match=message) as e:
        make(store, split=T, **options)
    assert "\n" not in str(e.value)
    assert "np." not in str(e.value)
