"""Evaluation of perturbations: a model that knows the shifts reaches the ceilings, one that does not, chance."""

import numpy as np
import pandas as pd
import pytest
from cells import PERTURBATION, SCREEN, ShiftModel, config, planted_vectors, screen

from gde.errors import GdeError
from gde.evaluate.cells import perturbation
from gde.evaluate.cells.effect_scores import correlation, discrimination, mse, pearson2, r2, recall, reliability, slope
from gde.evaluate.cells.effects import Effects, batches_of, matched_rows, true_effects
from gde.evaluate.cells.null_effects import strength
from gde.evaluate.shared.classification import auc
from gde.evaluate.shared.context import Context
from gde.evaluate.shared.metrics import check
from gde.evaluate.shared.tables import check_table


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return screen(tmp_path_factory.mktemp("screen") / "store")


def run(store, effect, monkeypatch, **options):
    """Evaluate a model that moves embeddings by `effect`; standard errors are those of a mean."""
    model = ShiftModel(20, effect, 0.5)
    cfg = config({**PERTURBATION, **options}, objective=SCREEN)
    from gde.evaluate.cells import null_effects

    def errors(model, x):
        return x.std(0, ddof=1) / np.sqrt(len(x))

    def embedded(model, store, groups):
        x = [np.asarray(store.read(g)) for g in groups]
        return np.stack([p.mean(0) for p in x]), np.stack([errors(model, p) for p in x])

    monkeypatch.setattr(null_effects, "standard_error", errors)
    monkeypatch.setattr(null_effects, "embed_store", embedded)
    return perturbation.evaluate(Context(model, store, cfg, 0))


def test_a_model_that_knows_the_shifts_scores_like_the_ceiling(world, monkeypatch):
    store, effect = world
    metrics, tables = run(store, effect, monkeypatch)
    check(metrics)
    for name, table in tables.items():
        check_table(name, table)
    assert set(metrics) >= {
        f"{p}/{m}" for p in ("zero_shot", "transfer") for m in ("pearson2", "r2", "mse", "e_distance")
    }
    for protocol, n in (("zero_shot", 20), ("transfer", 10)):
        for name in ("pearson2", "r2"):
            metric = metrics[f"{protocol}/{name}"]
            assert metric["n"] == n
            within = 0.1 if name == "pearson2" else 0.3  # r2 of a perturbation that does nothing is noise over noise
            assert metric["value"] == pytest.approx(metric["ceiling"], abs=within), (protocol, name)
            assert metric["value"] > metric["baselines"]["train_mean"] + 0.2
        error = metrics[f"{protocol}/mse"]
        assert error["value"] == pytest.approx(error["ceiling"], rel=0.3)  # one division of few cells into halves
        assert error["value"] < 0.2 * error["baselines"]["train_mean"]
        assert metrics[f"{protocol}/calibration"]["value"] == pytest.approx(1, abs=0.1)
        assert metrics[f"{protocol}/discrimination"]["value"] > 0.75  # four in ten do nothing and have no rank
        assert metrics[f"{protocol}/discrimination"]["baselines"]["train_mean"] == pytest.approx(0.5, abs=0.15)
        assert metrics[f"{protocol}/discrimination"]["baselines"]["no_shift"] == pytest.approx(0.5)
    assert "additive" in metrics["transfer/r2"]["baselines"] and "additive" not in metrics["zero_shot/r2"]["baselines"]
    assert metrics["zero_shot/r2"]["baselines"]["ridge"] > metrics["zero_shot/r2"]["baselines"]["train_mean"]


def test_with_another_conditions_vector_the_skill_is_gone(world, monkeypatch):
    metrics, _ = run(*world, monkeypatch)
    for protocol in ("zero_shot", "transfer"):
        for name in ("pearson2", "discrimination"):
            metric = metrics[f"{protocol}/{name}"]
            assert metric["baselines"]["shuffled_conditions"] < metric["value"] - 0.2
        assert metrics[f"{protocol}/discrimination"]["baselines"]["shuffled_conditions"] < 0.65


def test_a_model_of_random_shifts_scores_below_the_mean(world, monkeypatch):
    store, effect = world
    rng = np.random.default_rng(3)
    wrong = {name: rng.normal(size=20) for name in effect}
    metrics, _ = run(store, wrong, monkeypatch)
    for protocol in ("zero_shot", "transfer"):
        assert metrics[f"{protocol}/r2"]["value"] < 0 < metrics[f"{protocol}/r2"]["ceiling"]
        assert metrics[f"{protocol}/pearson2"]["value"] < 0.2
        assert abs(metrics[f"{protocol}/discrimination"]["value"] - 0.5) < 0.2
        assert abs(metrics[f"{protocol}/calibration"]["value"]) < 0.3


def test_matching_batches_removes_what_batches_add(world):
    """Perturbations are in batches in uneven shares: against all controls the shift is partly the batch."""
    store, effect = world
    effects, _ = true_effects(store, SCREEN, batches_of(store, "gem_group"), np.random.default_rng(0))
    truth = np.stack([effect[c] for c in effects.condition])
    noise = 0.5**2 / 60 * 20
    assert np.square(effects.shift - truth).sum(1).mean() < 2 * noise
    assert np.square(effects.unmatched - truth).sum(1).mean() > 10 * noise
    plain, _ = true_effects(store, SCREEN, batches_of(store, None), np.random.default_rng(0))
    np.testing.assert_allclose(plain.shift, plain.unmatched, atol=1e-9)
    np.testing.assert_allclose(plain.unmatched, effects.unmatched, atol=1e-9)


def test_controls_are_drawn_from_the_batches_of_the_cells(world):
    store, _ = world
    batches = batches_of(store, "gem_group")
    _, controls = true_effects(store, SCREEN, batches, np.random.default_rng(0))
    wanted = np.array([0, 0, 0, 2])
    rows = matched_rows(controls["L0"], batches, wanted, 80, np.random.default_rng(1))
    assert np.bincount(batches[rows]).tolist() == [60, 0, 20] and len(set(rows)) == 80
    elsewhere = matched_rows(controls["L0"], batches, np.array([7]), 80, np.random.default_rng(1))  # none of line L0
    assert len(elsewhere) == 80 and set(elsewhere) <= set(controls["L0"].rows)


def test_protocols_follow_from_what_trains(world):
    store, _ = world
    effects, controls = true_effects(store, SCREEN, batches_of(store, "gem_group"), np.random.default_rng(0))
    table = pd.DataFrame({"p": effects.protocol, "c": effects.condition, "line": effects.context})
    assert set(table.loc[table["p"] == "transfer", "line"]) == {"L0"}
    assert set(table.loc[table["p"] == "zero_shot", "c"]) == {f"G{i}" for i in range(40, 50)}
    assert set(controls) == {"L0", "L1"} and len(controls["L0"].rows) == 480


def test_null_perturbations_are_told_from_others(world, monkeypatch, tmp_path):
    store, effect = screen(tmp_path / "s", batches=False)
    metrics, _ = run(store, effect, monkeypatch, batch=None)
    assert metrics["effect/null_auc"]["value"] > 0.95
    energy = metrics["zero_shot/e_distance"]
    assert energy["ceiling"] - 0.1 < energy["value"] < 0.2 * energy["baselines"]["no_shift"]
    rng = np.random.default_rng(0)
    score = rng.normal(size=400)
    assert abs(auc(score, rng.random(400) < 0.4) - 0.5) < 0.08
    assert auc(np.arange(4.0), np.array([False, False, True, True])) == 1.0
    assert auc(np.zeros(4), np.array([False, False, True, True])) == 0.5
    gaps, variance = (
        rng.normal(size=(2000, 6)) * [1, 2, 3, 1, 2, 3],
        np.tile(np.square([1.0, 2, 3, 1, 2, 3]), (2000, 1)),
    )
    assert strength(gaps, variance).mean() == pytest.approx(1, abs=0.05)


def test_conditions_that_the_model_does_not_know_are_counted(world, monkeypatch):
    store, effect = world
    some = {name: v for name, v in effect.items() if int(name[1:]) >= 50}
    metrics, tables = run(store, some, monkeypatch)
    assert not any(name.startswith("zero_shot") for name in metrics)
    assert "20 of 20 groups: no vector" in " ".join(tables["left_out"]["status"])
    with pytest.raises(GdeError, match=r"objective\.conditions: vectors"):
        run(store, {"G1": np.zeros(20)}, monkeypatch)


def test_a_condition_without_a_vector_is_not_predicted(tmp_path, monkeypatch):
    """Its vector is the mean, as of others: what would be compared is nobody's prediction."""
    lost = [f"G{i}" for i in range(40, 49)] + ["G50"]
    store, effect = screen(tmp_path / "s", lost=lost)
    metrics, tables = run(store, effect, monkeypatch, null=None)
    assert metrics["zero_shot/r2"]["n"] == 2 and metrics["transfer/r2"]["n"] == 9
    left = " ".join(tables["left_out"]["status"])
    assert "18 of 20 groups: no vector" in left and "10 of 60 conditions have none" in left
    assert metrics["zero_shot/r2"]["marks"] == [
        "rests on 1 independent unit only, too few to tell"
    ]  # one gene in two lines


def test_the_sign_stands_beside_the_square(world, monkeypatch):
    """A prediction that goes the wrong way has the square of one that goes the right way."""
    store, effect = world
    right, wrong = (run(store, {g: sign * e for g, e in effect.items()}, monkeypatch)[0] for sign in (1, -1))
    for protocol in ("zero_shot", "transfer"):
        square = wrong[f"{protocol}/pearson2"]["value"]
        assert square == pytest.approx(right[f"{protocol}/pearson2"]["value"], abs=0.02)
        for name in ("pearson", "pearson_generated", "pearson_unmatched"):
            ours, other = right[f"{protocol}/{name}"]["value"], wrong[f"{protocol}/{name}"]["value"]
            assert ours > 0.2 and other == pytest.approx(-ours, abs=0.25), name
        own = right[f"{protocol}/pearson"]
        assert own["value"] == pytest.approx(own["ceiling"], abs=0.2) and own["ceiling"] <= 1


def test_the_scores_are_their_formulas():
    rng = np.random.default_rng(1)
    truth = rng.normal(size=(5, 30))
    np.testing.assert_allclose(pearson2(2 * truth + 1, truth), 1)
    np.testing.assert_allclose(pearson2(-truth, truth), 1)  # squared: blind to the sign, as published
    assert (correlation(-truth, truth) < -0.999).all()
    np.testing.assert_allclose(r2(truth, truth), 1)
    np.testing.assert_allclose(r2(truth.mean(1, keepdims=True) + 0 * truth, truth), 0, atol=1e-12)
    assert (r2(-truth, truth) < -2).all()
    np.testing.assert_allclose(mse(truth + 0.5, truth), 0.25)
    np.testing.assert_allclose(pearson2(0 * truth, truth), 0)
    assert slope(2 * truth, truth) == pytest.approx(0.5)
    sd = np.ones(30)
    np.testing.assert_allclose(recall(truth, truth, sd, 4), 1)
    np.testing.assert_allclose(recall(0 * truth, truth, sd, 3), 0.1)
    assert recall(rng.normal(size=(5, 30)), truth, sd, 30).tolist() == [1.0] * 5
    context = np.array(["a", "a", "a", "b", "c"], object)
    ranks = discrimination(truth, truth, context)
    assert ranks[:3].tolist() == [1, 1, 1] and np.isnan(ranks[3:]).all()
    far = discrimination(truth[[1, 2, 0]], truth[:3], np.array(["a"] * 3, object))
    assert (far < 1).all()


def test_reliability_is_the_squared_correlation_with_the_noise_free_shift():
    rng = np.random.default_rng(2)
    clean = rng.normal(size=(1, 200_000))
    halves = clean + rng.normal(size=(2, 200_000))
    whole = halves.mean(0, keepdims=True)
    expected = pearson2(clean, whole)[0]
    assert reliability(halves[:1], halves[1:])[0] == pytest.approx(expected, abs=0.01)


def test_baselines_are_fitted_in_the_order_of_contexts(monkeypatch):
    """They draw from one stream: in the order of a set of texts, numbers would change from process to process."""
    from gde.evaluate.cells import effect_baselines

    contexts, seen = np.array([f"L{i}" for i in range(9)], object).repeat(7), []
    names = [f"G{i}" for i in range(len(contexts))]
    split = np.array((["train"] * 6 + ["test"]) * 9)
    shift = np.arange(9.0).repeat(7)[:, None] * np.ones(3)
    effects = Effects(
        np.arange(63), np.array(names, object), contexts, split, split, shift, shift, np.stack([shift] * 2)
    )
    fit = effect_baselines.ridge
    monkeypatch.setattr(effect_baselines, "ridge", lambda x, y, *a, **o: seen.append(y[0, 0]) or fit(x, y, *a, **o))
    rng = np.random.default_rng(0)
    effect_baselines.baselines(effects, np.flatnonzero(split == "test"), planted_vectors(names, 2, rng), rng)
    assert seen == list(range(9))
