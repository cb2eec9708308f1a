"""Every metric that a kind of evaluation may have is computed, or named with the reason why not."""

import pytest
from cells import (
    DONORS,
    LINEAGE,
    PERTURBATION,
    SCREEN,
    HashModel,
    MeanModel,
    ShiftModel,
    clones,
    config,
    donors,
    screen,
)

from gde.config.evaluations import EVALUATIONS
from gde.evaluate.cells import donors as donor_evaluation
from gde.evaluate.cells import lineage, perturbation
from gde.evaluate.shared.context import Context
from gde.evaluate.shared.left_out import OTHERWISE, left_out

POSSIBLE = ("fate/js", "fate/r2", "days/w2", "labels/accuracy", "labels/auc")


@pytest.mark.parametrize(
    ("computed", "noted", "found"),
    [
        (POSSIBLE, [], []),
        (POSSIBLE[2:], [("fate", "no types")], [("fate", "no types")]),
        (POSSIBLE[3:], [("fate, days", "few")] * 2, [("fate, days", "few")]),
        (POSSIBLE[:4], [], [("labels/auc", OTHERWISE)]),
        (POSSIBLE, [("days, pool 3", "few cells")], [("days, pool 3", "few cells")]),
    ],
    ids=["all", "a family", "once", "nobody said why", "a part"],
)
def test_what_is_missing_is_named_once(computed, noted, found):
    assert left_out(POSSIBLE, computed, noted) == [{"what": a, "why": b} for a, b in found]


def three_clones(tmp_path):
    store, _ = clones(tmp_path / "store", n=5, cells=2, wells=False, types=False)
    return "lineage", lineage, Context(HashModel(5), store, config(LINEAGE), 0)


def few_donors(tmp_path):
    store = donors(tmp_path / "store", n=12, cells=4)
    return "donors", donor_evaluation, Context(MeanModel(5), store, config(DONORS | {"batch": None, "order": None}), 0)


def one_line(tmp_path):
    store, effect = screen(tmp_path / "store", lines=1, genes=30, cells=12)
    settings = config(PERTURBATION | {"null": None}, objective=SCREEN)
    return "perturbation", perturbation, Context(ShiftModel(20, effect, 0.5), store, settings, 0)


@pytest.mark.parametrize("case", [three_clones, few_donors, one_line])
def test_small_data_say_why_of_every_metric(tmp_path, case):
    """Nothing is missing without a reason of its own."""
    kind, module, ctx = case(tmp_path)
    metrics, _ = module.evaluate(ctx)
    possible = EVALUATIONS[kind].metrics
    left = left_out(possible, metrics, ctx.left)
    assert len(metrics) < len(possible) and set(metrics) <= set(possible)
    assert not [one for one in left if one["why"] == OTHERWISE]
