"""Laws of splitting and grouping: everything once, groups whole where they must be, no split empty."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gde.errors import GdeError
from gde.prepare.common.groups import assign
from gde.prepare.common.split import shares, split_samples, split_units

THIRDS = [0.6, 0.2, 0.2]


@given(st.integers(3, 500), st.floats(0.05, 0.45), st.floats(0.05, 0.45))
def test_shares_are_complete_and_never_empty(n, validation, test):
    cut = shares(n, [1 - validation - test, validation, test])
    assert sum(cut) == n and min(cut) >= 1
    if n > 60:
        np.testing.assert_allclose(np.array(cut) / n, [1 - validation - test, validation, test], atol=1.5 / n)


@given(st.sets(st.text(min_size=1, max_size=4), min_size=3, max_size=40), st.integers(0, 5), st.randoms())
def test_units_do_not_depend_on_order(units, seed, random):
    shuffled = list(units)
    random.shuffle(shuffled)
    first = split_units(sorted(units), THIRDS, seed, "donor")
    assert first == split_units(shuffled, THIRDS, seed, "donor")
    assert set(first) == units and set(first.values()) == {0, 1, 2}


def test_another_seed_is_another_split():
    units = [f"u{i}" for i in range(50)]
    assert split_units(units, THIRDS, 0, "donor") != split_units(units, THIRDS, 1, "donor")


def test_a_new_group_moves_no_other_groups_samples():
    group = np.repeat([0, 1, 2], 20)
    three = split_samples(group, ["a", "b", "c"], THIRDS, 0)
    four = split_samples(np.append(group, np.full(9, 3)), ["a", "b", "c", "d"], THIRDS, 0)
    assert (three == four[:60]).all()


def test_named_samples_have_their_split_whatever_the_order_of_the_rows():
    group, names = np.repeat([0, 1, 2], 20), np.array([f"cell{i}" for i in range(60)])
    first = dict(zip(names, split_samples(group, ["a", "b", "c"], THIRDS, 0, names), strict=True))
    at = np.random.default_rng(0).permutation(60)
    again = dict(zip(names[at], split_samples(group[at], ["a", "b", "c"], THIRDS, 0, names[at].tolist()), strict=True))
    assert first == again
    assert first != dict(zip(names, split_samples(group, ["a", "b", "c"], THIRDS, 1, names), strict=True))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(1, 12), min_size=4, max_size=12),
    st.sampled_from(["group", "sample", "donor"]),
    st.integers(0, 3),
)
def test_every_sample_of_a_kept_group_is_assigned_once(sizes, by, seed):
    code = np.repeat(np.arange(len(sizes)), sizes)
    table = pd.DataFrame({"g": [f"g{c}" for c in code], "donor": [f"d{i % 4}" for i in range(len(code))]})
    cfg = {"groupby": ["g"], "labels": [], "min_size": 3, "split": {"by": by, "fractions": THIRDS, "seed": seed}}
    try:
        got = assign(table, cfg, "t")
    except GdeError:
        return  # too few groups; the refusals have tests of their own
    groups, row = got.groups, got.row
    assert (np.bincount(row[row >= 0], minlength=len(groups)) == groups["size"]).all()
    assert (groups["group"].to_numpy()[row[row >= 0]] == table["g"].to_numpy()[row >= 0]).all()
    assert not groups.duplicated(["group", "split"]).any()
    assert set(groups["split"]) == {"train", "validation", "test"}
    assert (row < 0).sum() == sum(got.dropped.values()) == got.meta()["dropped_samples"]
    splits = groups["split"].to_numpy()[row[row >= 0]]
    if by == "group":
        assert groups["group"].is_unique
    if by == "donor":
        assert pd.Series(splits).groupby(table["donor"].to_numpy()[row >= 0]).nunique().max() == 1
        assert (groups["size"] >= 3).all()


def frame(**columns):
    table = {"donor": np.repeat(["a", "b", "c", "d"], 5), "kind": ["x"] * 20, "time": np.repeat([2, 2, 4, 4], 5)}
    return pd.DataFrame(table | columns)


def cfg(**changes):
    return {"groupby": ["donor"], "labels": [], "min_size": 3, "split": {"by": "group", "fractions": THIRDS}} | changes


def test_names_join_and_columns_keep_their_values():
    got = assign(frame(), cfg(groupby=["donor", "time"], labels=["kind"]), "t")
    assert set(got.groups["group"]) == {"a|2", "b|2", "c|4", "d|4"}
    assert list(got.groups.columns) == ["group", "split", "size", "donor", "time", "kind"]
    assert set(got.groups["time"]) == {2, 4}


@pytest.mark.parametrize(
    ("table", "changes", "message"),
    [
        (frame(donor=["a"] * 20), {}, "dataset.split.by: group: found only one value ('a'), expected at least 4"),
        (frame(donor=["a"] * 20), {}, "set split: {by: sample}"),
        (frame(donor=["a", "b"] * 10), {}, "found 2 values"),
        (frame(donor=[*"abca"] * 5), {}, "found 3 values, expected at least 4: 2 to train on, and one each to valid"),
        (frame(), {"split": {"fractions": [0.2, 0.4, 0.4]}}, "which leaves 1 of 4 to train on, expected 2 or more"),
        (frame(kind=[*"abca"] * 5, donor=[*"abca"] * 5), {"split": {"by": "kind"}}, "t: found 1 group to train on"),
        (frame(), {"split": {"by": "kind"}}, "dataset.split.by: kind: found only one value ('x')"),
        (frame(), {"min_size": 6}, "no group of at least 6 samples (largest: 'a' with 5)"),
        (frame(), {"split": {"fractions": [0.5, 0.5, 0]}}, "dataset.split.fractions: found [0.5, 0.5, 0]"),
        (frame(), {"split": {"fractions": [0.5, 0.4, 0.4]}}, "three positive numbers"),
        (frame(kind=[*"xy"] * 10), {"labels": ["kind"]}, "t: column kind: found 'x' and 'y' within group 'a'"),
        (frame(donor=[*"abcd"] * 4 + [None] * 4), {}, "t: row 17, column donor: found a missing value"),
        (frame(donor=[*"abcd"] * 4 + [""] * 4), {}, "t: row 17, column donor"),
        (frame(donor=[1.0, 2.0, 3.0, np.nan] * 5), {}, "t: row 4, column donor"),
        (frame(donor=np.repeat(["a|b", "a", "c", "d"], 5), kind=np.repeat(["c", "b|c", "e", "f"], 5)),
         {"groupby": ["donor", "kind"]}, "two groups called 'a|b|c'"),
        (frame(start=1), {"labels": ["start"]}, "called 'start'"),
        (frame(), {"split": {"by": "sample", "fractions": [0.9, 0.2, 0.1]}}, "with sum 1"),
        (frame(donor=["a"] * 18 + ["b"] * 2), {"min_size": 1, "split": {"by": "sample"}}, "2 samples in group 'b'"),
        (frame(), {"groupby": []}, "dataset.groupby"),
    ],
)  # fmt: skip
def test_refusals_name_the_place_and_the_remedy(table, changes, message):
    with pytest.raises(GdeError) as e:
        assign(table, cfg(**changes), "t")
    assert message in str(e.value), str(e.value)


def test_small_groups_are_dropped_and_named():
    got = assign(frame(donor=["a"] * 6 + ["b"] * 4 + ["c"] * 4 + ["e"] * 4 + ["d"] * 2), cfg(), "t")
    assert got.meta()["dropped"] == {"d": 2} and got.meta()["dropped_groups"] == 1
    assert "d" not in set(got.groups["group"])


def test_columns_whose_values_stand_on_both_sides_are_told(caplog):
    """Of groups donor x type held out whole, every donor trains and is tested; of groups that are donors none does."""
    table = pd.DataFrame([(f"D{d}", t) for d in range(6) for t in "ABCD" for _ in range(3)], columns=["donor", "type"])
    caplog.set_level("INFO")
    found = assign(table, {"groupby": ["donor", "type"], "labels": ["type"], "split": {"seed": 1}}, "cells.h5ad").meta()
    donors = found["split_crossed_by"]["donor"]
    assert donors["values"] == 6 and 1 <= donors["on_both_sides"] <= donors["held_out"]
    assert f"cells.h5ad: {donors['on_both_sides']} of 6 values of donor stand in train and in" in caplog.text
    assert assign(table, {"groupby": ["donor"]}, "cells.h5ad").meta()["split_crossed_by"] == {}
    by_donor = {"groupby": ["donor", "type"], "split": {"by": "donor"}}
    assert assign(table, by_donor, "cells.h5ad").meta()["split_crossed_by"] == {}


@pytest.mark.parametrize(("groups", "by"), [(5, "sample"), (19, "sample"), (20, "group"), (30, "group")])
def test_auto_holds_out_whole_groups_where_there_are_many(groups, by):
    """Counted are groups that are large enough; the choice stands in the assignment, and is that of the word itself."""
    names = np.repeat([f"g{i}" for i in range(groups)], 12).tolist() + ["small"]
    table = pd.DataFrame({"g": names})
    cfg = {"groupby": ["g"], "labels": [], "min_size": 3}
    auto, said = (assign(table, {**cfg, "split": {"by": word}}, "x") for word in ("auto", by))
    assert auto.split == said.split and auto.split["by"] == by
    assert (auto.row == said.row).all()


def test_auto_does_not_divide_groups_of_two():
    table = pd.DataFrame({"g": np.repeat(list("abcdef"), 2)})
    assert assign(table, {"groupby": ["g"], "min_size": 1, "split": {"by": "auto"}}, "x").split["by"] == "group"
