"""Laws of evaluation against a known truth."""

import numpy as np
import pytest
import torch
from fakes import BlindModel, MomentModel, config, family_store

from gde.config.evaluations import EVALUATIONS
from gde.errors import GdeError
from gde.evaluate.shared.context import Context
from gde.evaluate.shared.metrics import check
from gde.evaluate.shared.tables import check_table
from gde.evaluate.simulated import family
from gde.evaluate.simulated.baselines import ANCHORS

ERRORS = ("paper_metric", "w2", "w2_mean", "w2_cov", "mmd", "second_moment")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return family_store(tmp_path_factory.mktemp("mvn") / "store", "mvn", paper=True, dim=2, df=10)


@pytest.fixture(scope="module")
def good(store):
    return family.evaluate(Context(MomentModel(2), store, config("simulated"), 0))


@pytest.fixture(scope="module")
def blind(store):
    return family.evaluate(Context(BlindModel(2), store, config("simulated"), 0))


def test_a_model_that_resamples_scores_near_the_ceiling(good):
    metrics, _ = good
    for name in ("paper_metric", "w2", "w2_mean", "w2_cov", "second_moment"):
        metric = metrics[f"reconstruction/{name}"]
        # it knows the distribution from as many samples as it gives: sqrt 2 of the error of knowing it exactly
        assert metric["value"] < 2.2 * metric["ceiling"], name
    for name in ("w2", "w2_cov", "second_moment"):
        metric = metrics[f"reconstruction/{name}"]
        assert metric["value"] < 0.6 * min(metric["baselines"][b] for b in ("average_covariance", "point_mass")), name


def test_a_blind_model_scores_worse_than_every_baseline(blind):
    metrics, _ = blind
    for name in ("paper_metric", "w2", "w2_mean", "w2_cov", "second_moment"):
        assert metrics[f"reconstruction/{name}"]["value"] > max(metrics[f"reconstruction/{name}"]["baselines"].values())
    assert abs(metrics["geometry/w2_spearman"]["value"]) < 0.3
    assert metrics["geometry/geodesic_deviation"]["value"] > 1
    assert abs(metrics["clt/slope"]["value"]) < 0.05


def test_geometry_of_a_moment_embedding(good):
    metrics, tables = good
    spearman = metrics["geometry/w2_spearman"]
    assert spearman["value"] > 0.99 and spearman["n"] == 24 * 23 // 2 == len(tables["geometry"])
    assert set(spearman["baselines"]) == set(ANCHORS)
    assert spearman["chance"] == 0
    shape = metrics["geometry/w2_spearman_equal_means"]
    assert shape["value"] > 0.95 and shape["n"] == spearman["n"]
    # sample means of wide sets stray further, so they are not quite blind to shape
    assert abs(shape["baselines"]["sample_mean_distance"]) < 0.5 < shape["baselines"]["gaussian_w2_of_moments"]
    assert metrics["clt/slope"]["value"] == pytest.approx(-0.5, abs=0.03) and metrics["clt/slope"]["target"] == -0.5
    deviation = metrics["geometry/geodesic_deviation"]
    assert deviation["value"] < 2 * deviation["ceiling"] < deviation["baselines"]["linear_mixture"]


def test_protocols_and_intervals(good):
    metrics, tables = good
    assert metrics["reconstruction/paper_metric"]["protocol"] == "paper_protocol"
    assert metrics["reconstruction/paper_metric_strict"]["protocol"] == "strict"
    for name, metric in metrics.items():
        low, high = metric["ci"]
        assert low <= metric["value"] <= high or name.startswith("geometry"), name
    check(metrics)
    for name, table in tables.items():
        check_table(name, table)


def test_the_same_seed_gives_the_same_metrics(store, good):
    assert family.evaluate(Context(MomentModel(2), store, config("simulated"), 0))[0] == good[0]


def test_gmm_protocol_ceiling_and_order_of_controls(tmp_path):
    store = family_store(tmp_path / "store", "gmm", sets=12, size=300, dim=2, df=10)
    metrics, tables = family.evaluate(Context(MomentModel(2), store, config("simulated", clt=False), 0))
    paper = metrics["reconstruction/paper_metric"]
    assert paper["protocol"] == "strict" and "reconstruction/paper_metric_strict" not in metrics
    assert paper["ceiling"] < paper["value"] < paper["baselines"]["other_set"]
    assert metrics["reconstruction/w2"]["ceiling"] < metrics["reconstruction/w2"]["value"]
    deviation = metrics["geometry/geodesic_deviation"]
    assert deviation["ceiling"] < deviation["value"] and "interpolation_points" in tables
    exact = metrics["geometry/exact_w2_spearman"]
    assert exact["n"] == 15 == len(tables["geometry_exact"]) and set(exact["baselines"]) == set(ANCHORS)
    assert not any(name.startswith("clt") for name in (*metrics, *tables))
    path = tables["interpolation"]
    weights = path.groupby(["pair", "t [1]"])["weight [1]"].sum()
    np.testing.assert_allclose(weights, 1, atol=1e-5)


COUNTS = {"poisson": 1, "multinomial": 3}


@pytest.mark.parametrize("kind", [*COUNTS, "mvn_lowrank"])
def test_every_family_is_evaluated_as_far_as_it_is_known(tmp_path, kind):
    dim = COUNTS.get(kind, 6)
    params = {"dim": 6, "rank": 2} if kind == "mvn_lowrank" else {}
    store = family_store(tmp_path / "store", kind, sets=12, size=200, **params)
    metrics, tables = family.evaluate(Context(MomentModel(dim), store, config("simulated", clt=False), 0))
    check(metrics)
    for name, table in tables.items():
        check_table(name, table)
    w2 = metrics["reconstruction/w2"]
    assert w2["ceiling"] < 2 * w2["value"] and w2["value"] < w2["baselines"]["other_set"]
    assert metrics["geometry/w2_spearman"]["value"] > 0.95
    known = kind == "mvn_lowrank"
    assert ("reconstruction/paper_metric" in metrics) == ("geometry/geodesic_deviation" in metrics) == known
    assert ("geometry/w2_spearman_equal_means" in metrics) == ("interpolation" in tables) == known
    assert ("geometry/simplex_pearson" in metrics) == ("simplex" in tables) == (kind == "multinomial")
    assert ("poisson/mse_n10" in metrics) == ("poisson" in tables) == (kind == "poisson")
    assert set(metrics) <= set(EVALUATIONS["simulated"].metrics)


def test_one_dimension_and_fewer_points(tmp_path):
    store = family_store(tmp_path / "store", "normal", sets=10, size=300)
    metrics, tables = family.evaluate(
        Context(MomentModel(1), store, config("simulated", generated=100, geodesic_pairs=0), 0)
    )
    assert metrics["reconstruction/w2"]["value"] < metrics["reconstruction/w2"]["baselines"]["point_mass"]
    assert "geometry/geodesic_deviation" not in metrics and len(tables["interpolation"])
    check(metrics)


def test_samples_that_are_not_finite_are_refused(store):
    class Broken(MomentModel):
        def sample(self, z, n, *, generator=None):
            return super().sample(z, n, generator=generator) * float("nan")

    with pytest.raises(GdeError, match=r"model.*NaN or infinity"):
        family.evaluate(Context(Broken(2), store, config("simulated"), 0))


def test_a_store_without_enough_test_sets_is_refused(tmp_path):
    store = family_store(tmp_path / "store", "mvn", sets=2, size=50)
    with pytest.raises(GdeError, match=r"2 test sets of distribution 'strict'.*test_sets"):
        family.evaluate(Context(MomentModel(2), store, config("simulated"), 0))


def test_constant_embeddings_have_no_geometry(tmp_path, store):
    class Constant(MomentModel):
        def encode(self, x, *, mask=None, weight=None):
            return torch.zeros(len(x), 6)

    metrics, _ = family.evaluate(Context(Constant(2), store, config("simulated", clt=False), 0))
    assert metrics["geometry/w2_spearman"]["value"] == 0
