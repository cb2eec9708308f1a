"""Labels of donors are read where they were planted, not where they were permuted; batches go, labels stay."""

import numpy as np
import pytest
from cells import DONORS, HashModel, MeanModel, config, donors
from fakes import context

from gde.errors import GdeError
from gde.evaluate.cells import donors as evaluation
from gde.evaluate.cells.donor_labels import correct, cross_validated
from gde.evaluate.shared.classification import Classified
from gde.evaluate.shared.columns import Labelled
from gde.evaluate.shared.context import Context
from gde.evaluate.shared.descriptions import DESCRIPTIONS
from gde.evaluate.shared.metrics import check
from gde.evaluate.shared.tables import check_table


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return donors(tmp_path_factory.mktemp("donors") / "store", effect=3.0)


@pytest.fixture(autouse=True)
def no_transport(monkeypatch):
    """Reconstruction is tested on its own."""
    monkeypatch.setattr(evaluation, "large_enough", lambda store: 0)


def test_planted_labels_batches_replicates_and_order(store):
    metrics, tables = evaluation.evaluate(Context(MeanModel(5), store, config(DONORS), 0))
    check(metrics)
    for name, table in tables.items():
        check_table(name, table)
    assert metrics["labels/corrected_auc"]["value"] >= 0.95 and metrics["labels/corrected_auc"]["n"] == 16
    assert metrics["labels/auc_cv"]["value"] > 0.85 and metrics["labels/auc_cv"]["protocol"] == "paper_protocol"
    assert metrics["labels/batch_auc"]["value"] > 0.9
    assert metrics["labels/corrected_batch_auc"]["value"] <= 0.6
    assert metrics["labels/accuracy"]["chance"] == pytest.approx(0.5, abs=0.1)
    assert metrics["labels/auc"]["baselines"]["composition"] > 0.5
    for name in ("labels/auc", "labels/accuracy_cv", "labels/batch_auc"):
        metric = metrics[name]
        assert set(metric["baselines"]) == set(metric["differences"]) == set(DESCRIPTIONS), name
        for baseline, difference in metric["differences"].items():
            assert difference["value"] == pytest.approx(metric["value"] - metric["baselines"][baseline])
            assert difference["ci"][0] <= difference["value"] <= difference["ci"][1]
    assert metrics["labels/auc"]["differences"]["pseudobulk_mean"]["ci"] == [0.0, 0.0]  # the model embeds by the mean
    assert metrics["replicates/nearest"]["value"] > 0.8 > metrics["replicates/nearest"]["baselines"]["composition"]
    assert metrics["trajectory/spearman"]["value"] > 0.6
    assert set(tables["labels"]["predicted"]) <= {"sick", "well"}
    assert tables["left_out"]["group"].tolist() == ["reconstruction"]


def test_permuted_labels_give_chance(tmp_path):
    found = [
        evaluation.evaluate(Context(MeanModel(5), donors(tmp_path / str(s), seed=s, shuffle=True), config(DONORS), s))[
            0
        ]
        for s in range(3)
    ]
    for name in ("labels/auc_cv", "labels/corrected_auc"):
        assert abs(np.mean([m[name]["value"] for m in found]) - 0.5) < 0.2, name


def test_a_model_that_reads_nothing_scores_at_chance(store):
    metrics, _ = evaluation.evaluate(Context(HashModel(5), store, config(DONORS), 0))
    assert abs(metrics["labels/auc_cv"]["value"] - 0.5) < 0.25
    assert metrics["replicates/nearest"]["value"] < 0.4


def test_a_donor_is_never_fitted_and_tested_on():
    """Embeddings that identify the donor and nothing else, two sets each: a leak would give an AUC of 1."""
    rng = np.random.default_rng(0)
    unit = np.repeat(np.arange(40), 2).astype(str)
    x = rng.normal(size=(40, 60)).repeat(2, 0)
    names = np.array(["a", "b"])[rng.permutation(np.arange(40) % 2)].repeat(2)
    assert cross_validated(x, names, unit, rng, repeats=2).auc() < 0.75


def test_the_order_is_read_with_whole_donors_left_out(monkeypatch):
    """Two sets of each donor that trains, which tell the donor and nothing else: no weight is the best weight."""
    rng = np.random.default_rng(0)
    unit = np.concatenate([np.repeat(np.arange(30), 2), np.arange(30, 40)]).astype(str)
    values = rng.normal(size=40)[unit.astype(int)]
    x, tested = rng.normal(size=(40, 60))[unit.astype(int)], np.arange(70) >= 60
    penalties = []
    true = evaluation.ridge
    monkeypatch.setattr(
        evaluation, "ridge", lambda *a, **o: penalties.append((model := true(*a, **o)).penalty) or model
    )
    ctx = context({"bootstrap": 5})
    assert "trajectory/spearman" in evaluation.trajectory(ctx, {"gde": x}, Labelled(unit, unit, tested), values)
    assert penalties[0] >= 10.0
    few = np.concatenate([np.repeat(np.arange(4), 2), np.arange(4, 10)]).astype(str)
    labels = Labelled(few, few, np.arange(14) >= 8)
    assert evaluation.trajectory(ctx, {"gde": x[:14]}, labels, values[:14]) == {}
    assert ctx.left == [("trajectory", "4 donors to fit on and 6 to test")]


def test_a_batch_is_removed_and_a_label_that_it_goes_with_is_kept():
    rng = np.random.default_rng(1)
    batch = np.repeat(["p", "q"], 100)
    names = np.where(rng.random(200) < np.where(batch == "p", 0.8, 0.2), "a", "b")
    x = np.stack([5.0 * (batch == "p") + (names == "a"), rng.normal(size=200)], 1) + 0.01 * rng.normal(size=(200, 2))
    fit = np.arange(200) % 2 == 0
    y = correct(x, names, batch, fit)
    for name in "ab":
        own = [y[(names == name) & (batch == b), 0].mean() for b in "pq"]
        assert own[0] == pytest.approx(own[1], abs=0.05)
    assert y[names == "a", 0].mean() - y[names == "b", 0].mean() == pytest.approx(1, abs=0.05)
    unseen = correct(x, names, np.where(np.arange(200) == 1, "new", batch), fit)
    np.testing.assert_allclose(unseen[1], x[1])


def test_the_accuracy_of_the_commonest_label_is_drawn_as_chance():
    """Always saying the commonest of skewed labels: accuracy .9 at chance .9, and an AUC of one half."""
    truth = np.array(["ill"] + ["well"] * 9)
    said = Classified(truth, truth, np.array(["ill", "well"]), np.tile([0.1, 0.9], (10, 1)), 0.9)
    assert said.accuracy() == said.prior == 0.9 and said.auc() == 0.5


def test_wrong_columns_are_named(store):
    with pytest.raises(GdeError, match=r"evaluation\.label: found 'diseas', expected one of group"):
        evaluation.evaluate(Context(MeanModel(5), store, config(DONORS | {"label": "diseas"}), 0))
    with pytest.raises(GdeError, match=r"evaluation\.order: found 'disease' with value 'well'"):
        evaluation.evaluate(Context(MeanModel(5), store, config(DONORS | {"order": "disease"}), 0))
