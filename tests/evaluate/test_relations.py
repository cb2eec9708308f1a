"""Relations of genes: closed forms, blind similarities at chance, and wells that are told apart from genes."""

import numpy as np
import pytest
import torch

from gde.config.datasets.screens import ImageScreen
from gde.config.evaluations.screens import Screen
from gde.evaluate.images.control_space import centred, whitened
from gde.evaluate.images.engineered import engineered, otsu
from gde.evaluate.images.relations import cosines, found_pairs, means_by, precision_at_own, recall
from gde.evaluate.images.screen import evaluate
from gde.evaluate.shared.context import Context
from gde.evaluate.shared.tables import write_tables
from gde.figures.relations import draw
from gde.figures.style import style
from gde.prepare.image_screen import prepare
from gde.sets.store.set_store import SetStore

COMPLEX = np.repeat(np.arange(20), 3)
RELATED = COMPLEX[:, None] == COMPLEX


def test_the_truth_finds_all_its_pairs():
    assert recall(RELATED.astype(float), RELATED, 0.05) == 1.0
    assert recall(-RELATED.astype(float), RELATED, 0.05) == 0.0


def test_what_is_blind_finds_the_share():
    for share in (0.05, 0.1, 0.33):
        assert recall(np.ones((60, 60)), RELATED, share) == pytest.approx(share)
        assert found_pairs(np.ones((60, 60)), share).sum() == pytest.approx(share * 1770)
    rng = np.random.default_rng(0)
    found = [recall(cosines(rng.standard_normal((60, 8))), RELATED, 0.05) for _ in range(200)]
    assert np.mean(found) == pytest.approx(0.05, abs=4 * np.std(found) / 200**0.5)


def test_nothing_related_is_refused():
    with pytest.raises(ValueError, match="no related pair"):
        recall(np.ones((4, 4)), np.eye(4, dtype=bool), 0.1)


def test_cosines_do_not_change_with_length():
    x = np.random.default_rng(0).standard_normal((5, 3))
    assert cosines(x) == pytest.approx(cosines(x * np.arange(1, 6)[:, None]))
    assert np.diag(cosines(x)) == pytest.approx(np.ones(5))
    assert not cosines(np.zeros((3, 2))).any()


def test_precision_of_guides():
    names = np.array(["a", "a", "b", "b", "c"])
    found = precision_at_own((names[:, None] == names).astype(float), names)
    assert found[:4].tolist() == [1, 1, 1, 1] and np.isnan(found[4])
    assert precision_at_own(np.ones((5, 5)), names)[0] == pytest.approx(1 / 4)  # ties count against


def test_means_leave_out_what_is_not_named():
    x = np.array([[1.0], [3.0], [10.0], [20.0]])
    assert means_by(x, np.array(["b", "b", "a", "c"]), np.array(["a", "b"])).tolist() == [[10.0], [2.0]]


def test_centring_by_controls_takes_wells_out_and_leaves_effects():
    rng = np.random.default_rng(0)
    well, control = np.repeat(["v", "w"], 20), np.tile(np.arange(20) < 5, 2)
    effect = rng.standard_normal((40, 3)) * ~control[:, None]
    moved = effect + (well == "w")[:, None] * np.array([100.0, -7.0, 3.0])
    assert centred(moved, well, control) == pytest.approx(effect)
    with pytest.raises(ValueError, match="well w: found 2 groups of controls"):
        centred(moved, well, control & ((well == "v") | (np.arange(40) < 22)))


def test_whitened_controls_vary_alike():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((5000, 4)) @ np.diag([1, 2, 3, 4])
    own = whitened(x, np.ones(5000, bool))
    assert np.linalg.cond(own.T @ own) < 3 < 10 < np.linalg.cond(x.T @ x)
    turn = np.linalg.qr(rng.standard_normal((4, 4)))[0]
    assert cosines(whitened(x[:50] @ turn, np.ones(50, bool))) == pytest.approx(
        cosines(whitened(x[:50], np.ones(50, bool)))
    )


def test_otsu_parts_two_peaks():
    counts = np.zeros(1000, np.int64)
    counts[[100, 101, 700, 701]] = 50
    assert 101 <= otsu(counts) < 700


def test_engineered_features_of_a_set_are_the_mean_of_its_pictures():
    x = np.random.default_rng(0).integers(0, 1000, (6, 2, 8, 8)).astype(np.uint16)
    threshold = np.array([300, 600])
    each = np.stack([engineered(one[None], threshold) for one in x])
    assert engineered(x, threshold) == pytest.approx(each.mean(0))
    assert each[0, 4:] == pytest.approx([(x[0, 0] > 300).mean(), (x[0, 1] > 600).mean()])


class Bright:
    """Embeds a set by its mean logarithm in both channels and its background, which wells change as genes do."""

    latent_dim, device = 4, torch.device("cpu")

    def __init__(self, store):
        self.sample_type = store.sample_type

    def encode(self, x, *, mask=None, weight=None):
        light = x.double().log1p()
        parts = [light.mean((3, 4)), light[..., :2, :2].mean((3, 4))]
        return torch.cat(parts, -1).mean(1)


def result(tmp_path, **more):
    cfg = ImageScreen(kind="image_screen", complexes=12, size=16, null_genes=8, wells=3, **more).model_dump()
    prepare(cfg, tmp_path / "sets", name="screen", seed=0)
    store = SetStore.open(tmp_path / "sets")
    evaluation = Screen(kind="screen", bootstrap=20, shuffles=40).model_dump()
    return evaluate(Context(Bright(store), store, {"evaluation": evaluation, "seed": 0}, 0))


def test_genes_are_found_in_mixed_wells_and_shuffled_ones_are_not(tmp_path):
    metrics, tables = result(tmp_path, effect=1.5, cells=24)
    assert set(metrics) == set(Screen.metrics)
    found = metrics["relations/recall_5"]
    assert found["value"] > metrics["relations/shuffled_5"]["ci"][1] and found["ceiling"] > 0.6
    assert found["baselines"]["layout"] == pytest.approx(0.05)
    low, high = metrics["relations/shuffled_5"]["ci"]
    assert low <= 0.05 <= high
    assert metrics["relations/shuffled_5"]["value"] == pytest.approx(0.05, abs=0.03)
    assert metrics["guides/map"]["value"] > 2 * metrics["guides/map"]["chance"]
    assert metrics["confounds/well"]["value"] > 0.9
    assert metrics["confounds/well_centred"]["value"] < metrics["confounds/well"]["value"]
    write_tables(tmp_path, tables)
    with style():
        draw(tmp_path, {"metrics": metrics})


def test_confounded_wells_show(tmp_path):
    """Without effects: layout and raw embeddings find complexes by their wells, also where genes are exchanged within
    these; centred by controls they do not."""
    metrics, _ = result(tmp_path, effect=1e-9, wells_random=False, batch=5.0)
    raw, own = metrics["relations/recall_10_raw"], metrics["relations/recall_10"]
    assert raw["value"] > 0.2 and raw["baselines"]["layout"] > 0.2
    assert own["value"] < raw["value"]
