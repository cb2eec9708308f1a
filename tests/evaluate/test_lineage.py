"""Evaluation of clones finds the information and the fates that were planted, and none where none was."""

import numpy as np
import pytest
from cells import LINEAGE, HashModel, MeanModel, clones, config, write

from gde.errors import GdeError
from gde.evaluate.cells import lineage
from gde.evaluate.cells.clones import clones_of, sisters_of
from gde.evaluate.cells.fate import js
from gde.evaluate.shared.context import Context
from gde.evaluate.shared.metrics import check
from gde.evaluate.shared.tables import check_table


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return clones(tmp_path_factory.mktemp("clones") / "store")


@pytest.fixture(scope="module")
def found(world):
    return lineage.evaluate(Context(MeanModel(5), world[0], config(LINEAGE), 0))


def test_planted_information_is_found_on_clones_held_out(found, world):
    metrics, tables = found
    check(metrics)
    for name, table in tables.items():
        check_table(name, table)
    projection = metrics["information/projection"]
    assert 0.7 * world[1] < projection["value"] < 1.2 * world[1]
    assert projection["ci"][0] < world[1] and projection["n"] == 144
    assert abs(projection["chance"]) < 0.1
    null = tables["information"]
    assert (null["null_low [bits]"] < 0).all() and (null["null_high [bits]"] > 0).all()
    assert metrics["information/embedding_all"]["protocol"] == "paper_protocol"
    assert metrics["information/embedding_all"]["n"] == 240
    sisters = metrics["information/sisters"]  # both wells show v, nearly without noise
    assert sisters["value"] > projection["value"]


def test_fates_are_foretold_as_well_as_planted(found):
    metrics, _ = found
    fate = metrics["fate/r2"]
    assert 0.6 < fate["value"] < fate["ceiling"] < 1 and fate["ci"][0] > 0.4
    assert abs(fate["value"] - fate["baselines"]["pseudobulk_mean"]) < 0.1  # the fake encodes the mean
    assert fate["baselines"]["composition"] < 0.1  # early cells are of one type
    assert metrics["fate/js"]["value"] < 0.5 * metrics["fate/js"]["chance"]


def test_the_day_between_lies_between(found):
    """Means move along a line: the middle is right, either end and their mixture are not."""
    metrics, _ = found
    w2 = metrics["days/w2"]
    assert w2["value"] < 0.8 * min(w2["baselines"].values())
    assert w2["baselines"]["mixture"] < w2["baselines"]["first_day"]


def test_a_model_that_reads_nothing_knows_nothing(world):
    metrics, tables = lineage.evaluate(Context(HashModel(5), world[0], config(LINEAGE), 0))
    for name in ("information/projection", "information/embedding", "fate/r2"):
        assert metrics[name]["ci"][0] < 0.15, name
    assert metrics["information/projection"]["value"] < 0.2
    own = tables["information"].set_index(["source", "part"])
    assert own.loc[("gde", "projection"), "p_value [1]"] > 0.02


def test_what_cannot_be_told_is_left_out_with_the_reason(tmp_path):
    store, _ = clones(tmp_path / "few", n=30, cells=6, wells=False, types=False)
    metrics, tables = lineage.evaluate(Context(MeanModel(5), store, config(LINEAGE), 0))
    left = tables["left_out"].set_index("group")["status"]
    assert "samples have no cell_type" in left["fate"] and "no well" in left["information/sisters"]
    assert "information/projection" in left and "information/projection" not in metrics
    assert metrics["information/embedding"]["n"] == 18
    assert "information/recovered" in metrics


def test_clones_without_days_and_days_without_cells_are_refused(world, tmp_path):
    with pytest.raises(GdeError, match=r"evaluation\.late: found none of \[9\.0\] among the days"):
        clones_of(world[0], [2.0], [9.0])
    import pandas as pd

    plain = write(tmp_path / "s", pd.DataFrame({"group": ["a"], "split": ["test"]}), [np.zeros((3, 2))], None)
    with pytest.raises(GdeError, match="groups without 'clone'"):
        clones_of(plain, [2.0], [6.0])


def test_a_clone_is_one_pair_with_the_cells_of_all_early_days(world):
    pairs = clones_of(world[0], [2.0, 4.0], [6.0])
    assert len(pairs) == 240 and len(pairs.early[0]) == 80 and len(pairs.late[0]) == 40
    every = np.concatenate(pairs.early + pairs.late)
    assert len(set(every)) == len(every) == 240 * 120
    wells = np.random.default_rng(0).integers(2, size=len(world[0].x))
    sisters = sisters_of(world[0], [6.0], wells)
    for first, second in zip(sisters.early, sisters.late, strict=True):
        assert len(set(wells[first])) == 1 and not set(wells[first]) & set(wells[second])


def test_the_divergence_of_shares():
    p = np.array([[1.0, 0.0], [0.5, 0.5], [0.3, 0.7]])
    np.testing.assert_allclose(js(p, p), 0, atol=1e-12)
    np.testing.assert_allclose(js(p, p[:, ::-1])[0], 1.0)
    from scipy.spatial.distance import jensenshannon

    q = np.random.default_rng(0).dirichlet([1, 1], size=3)
    np.testing.assert_allclose(js(p, q), [jensenshannon(a, b, base=2) ** 2 for a, b in zip(p, q, strict=True)])
