"""Months ahead of those that are known: lines in time, their intervals, the last month."""

import numpy as np
import pytest
from fakes import context

from gde.evaluate.epidemic.future import PERSISTENCE, Line, Months, chosen_line, extrapolation
from gde.evaluate.epidemic.sets import Keys
from gde.evaluate.epidemic.sweeps import mean_share


def path(kind, months=12, noise=0.05, seed=0):
    rng = np.random.default_rng(seed)
    t = np.arange(float(months))
    mean = {"line": np.stack([t, -0.5 * t], 1), "still": np.zeros((months, 2))}[kind]
    return t, mean, rng.normal(0, noise, (months, 2))


def test_a_line_is_followed_and_noise_is_not():
    t, mean, noise = path("line")
    line = chosen_line(Months(t[:9], (mean + noise)[:9]), 3)
    assert line.window > 2
    guess = line(Months(t[:9], (mean + noise)[:9]), t[9:])
    assert np.abs(guess - mean[9:]).max() < 0.2
    t, mean, noise = path("still")
    flat = chosen_line(Months(t[:9], noise[:9]), 3)
    guess = flat(Months(t[:9], noise[:9]), t[9:])
    assert np.abs(guess).max() < np.abs(PERSISTENCE(Months(t[:9], noise[:9]), t[9:])).max() + 0.05


def test_persistence_is_the_last_month():
    past = Months(np.arange(3.0), np.arange(6.0).reshape(3, 2))
    np.testing.assert_allclose(PERSISTENCE(past, np.array([4.0, 9.0])), [[4, 5], [4, 5]])
    np.testing.assert_allclose(Line(2, 0.0)(past, np.array([3.0])), [[6, 7]])
    np.testing.assert_allclose(Line(3, 1e9)(past, np.array([30.0])), [[2, 3]], atol=1e-6)


def test_intervals_hold_the_future_about_as_often_as_they_say():
    """Random walks with drift, seen through groups of which each is off by noise."""
    coverage = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        months, groups = 24, 8
        steps = rng.normal(0.3, 0.3, (months, 3)).cumsum(0)
        month = np.repeat(np.arange(float(months)), groups)
        z = np.repeat(steps, groups, 0) + rng.normal(0, 0.3, (months * groups, 3))
        part = np.where(month >= months - 4, "future", "train").astype(object)
        names = np.array([f"g{i}" for i in range(len(month))])
        ctx = context({"bootstrap": 100}, seed=seed)
        metrics, tables = extrapolation(ctx, z, Keys(names, names, month, part))
        coverage.append(metrics["extrapolation/coverage"]["value"])
        distance = metrics["extrapolation/distance"]
        assert not ctx.left and distance["value"] < distance["baselines"]["mean_of_past"]
        assert set(tables["future"]["source"]) == {"past", "true", "predicted", "persistence"}
    assert np.mean(coverage) == pytest.approx(0.95, abs=0.07)


def test_without_months_held_out_there_is_no_extrapolation():
    names = np.array(list("abc"))
    ctx = context({"bootstrap": 10})
    keys = Keys(names, names, np.arange(3.0), np.array(["train"] * 3, object))
    assert extrapolation(ctx, np.zeros((3, 2)), keys) == ({}, {})
    assert ctx.left == [("extrapolation", "no month is held out whole")]


def test_months_count_alike_however_many_sequences_they_have():
    differ, known = np.array([[1.0, 0.0], [90.0, 0.0]]), np.array([[1.0, 0.0], [100.0, 4.0]])
    np.testing.assert_allclose(mean_share(differ, known, np.array([0.0, 1.0])), [0.95, 0.0])
    np.testing.assert_allclose(mean_share(differ, known, np.zeros(2)), [91 / 101, 0.0])
