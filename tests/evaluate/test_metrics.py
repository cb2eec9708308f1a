"""Laws of intervals, records and geometry statistics, and the form of metrics.json."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from fakes import MomentModel, config, family_store
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import gde.models.base
from gde import evaluate
from gde.errors import GdeError
from gde.evaluate.shared.distance_correlation import pearson, spearman
from gde.evaluate.shared.left_out import OTHERWISE
from gde.evaluate.shared.metrics import check, mean_interval, published, record
from gde.evaluate.shared.pca import two_components
from gde.evaluate.shared.tables import check_table
from gde.files.io import write_json, write_sums


def test_interval_of_a_mean_has_the_width_of_the_standard_error():
    x = np.random.default_rng(0).normal(3, 2, 400)
    low, high = mean_interval(x, np.random.default_rng(1), repeats=2000)
    assert low < x.mean() < high
    assert (high - low) / 2 == pytest.approx(1.96 * x.std() / 20, rel=0.1)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(-50, 50), st.integers(-50, 50)), min_size=3, max_size=40))
def test_correlations_agree_with_scipy(pairs):
    a, b = (np.array(v, dtype=float) for v in zip(*pairs, strict=True))
    if a.std() == 0 or b.std() == 0:
        assert pearson(a, b) == spearman(a, b) == 0
    else:
        assert pearson(a, b) == pytest.approx(stats.pearsonr(a, b)[0], abs=1e-9)
        assert spearman(a, b) == pytest.approx(stats.spearmanr(a, b)[0], abs=1e-9)


def test_published_only_where_every_requirement_holds():
    resolved = {
        "dataset": {"dim": 2, "df": 10},
        "published": {"w2": {"value": 0.7, "source": "s", "requires": {"dataset.dim": 2, "dataset.df": 10}}},
    }
    assert published(resolved, "w2") == 0.7
    assert published(resolved, "other") is None
    resolved["dataset"]["df"] = 40
    assert published(resolved, "w2") is None
    resolved["published"]["w2"]["requires"] = {"dataset.dim.deeper": 2}
    assert published(resolved, "w2") is None


@pytest.mark.parametrize("key", ["value", "ceiling"])
def test_nan_is_never_written(key):
    metric = record(1.0, n=1, higher_is_better=True, baselines={"b": 1.0}) | {key: float("nan")}
    with pytest.raises(GdeError, match=rf"geometry/x\.{key}: found nan"):
        check({"geometry/x": metric})


@pytest.mark.parametrize("aim", [{}, {"higher_is_better": True, "target": 0.95}], ids=["none", "both"])
def test_a_metric_has_a_direction_or_a_target(aim):
    with pytest.raises(ValueError, match="higher_is_better and target"):
        record(1.0, n=1, **aim)


@pytest.mark.parametrize("value", [np.nan, np.inf, None])
def test_a_table_with_a_hole_is_refused(value, tmp_path):
    with pytest.raises(GdeError, match=r"t.tsv: row 2.*'a'"):
        check_table(tmp_path / "t.tsv", pd.DataFrame({"a": [1.0, value]}))


def test_two_components_keep_distances_of_plane_data():
    x = np.random.default_rng(0).normal(size=(50, 2)) @ np.random.default_rng(1).normal(size=(2, 7)) + 5
    mean, directions, share = two_components(x)
    y = (x - mean) @ directions
    np.testing.assert_allclose(np.linalg.norm(y[0] - y[1]), np.linalg.norm(x[0] - x[1]))
    assert share.sum() == pytest.approx(1)


@pytest.fixture
def model_dir(tmp_path, monkeypatch):
    """A model directory whose loading gives a MomentModel: the files around it are the real ones."""
    path = tmp_path / "model"
    path.mkdir()
    write_json(
        path / "config.json", {"run": "test-1a2b3c4d", "budget": {"steps": 2, "seconds": 1.5, "samples_seen": 9}}
    )
    (path / "log.jsonl").write_text('{"step": 1, "loss": 2.0, "lr": 0.1}\n{"step": 2, "validation": 1.0}\n')
    write_sums(path)
    monkeypatch.setattr(gde.models.base.Model, "load", lambda path, device="cpu": MomentModel(2))
    return path


def test_run_writes_the_documented_form(tmp_path, model_dir, caplog):
    caplog.set_level("INFO")
    family_store(tmp_path / "store", "mvn", sets=8, size=200)
    resolved = config("simulated", clt=False)
    kinds = {"dataset": "mvn", "encoder": "mean", "generator": "flow", "objective": "reconstruction"}
    resolved |= {section: {"kind": kind} for section, kind in kinds.items()}
    resolved["published"] = {"geometry/w2_spearman": {"value": 0.9, "source": "s", "requires": {"name": "test"}}}
    evaluate.run(model_dir, tmp_path / "store", resolved, tmp_path / "metrics.json", tmp_path / "tables")
    result = json.loads((tmp_path / "metrics.json").read_text())
    about = ["experiment", "run", "data", "seed", "device", "budget", "held_out", "provenance", "left_out"]
    assert list(result) == ["content_sha256", *about, "metrics"]
    assert result["run"] == "test-1a2b3c4d" and result["data"] == "simulated" and result["budget"]["steps"] == 2
    keys = [
        "value",
        "ci",
        "n",
        "higher_is_better",
        "target",
        "baselines",
        "differences",
        "chance",
        "ceiling",
        "published",
        "protocol",
    ]
    keys.append("marks")
    assert all(list(m) == keys for m in result["metrics"].values())
    assert result["metrics"]["geometry/w2_spearman"]["published"] == 0.9
    assert result["metrics"]["geometry/w2_pearson"]["published"] is None
    left = {one["what"]: one["why"] for one in result["left_out"]}
    assert left["clt"] == "evaluation.clt is false" and OTHERWISE not in left.values()
    assert "clt" in set(pd.read_csv(tmp_path / "tables" / "left_out.tsv", sep="\t")["group"])
    said = [record.getMessage() for record in caplog.records]
    assert "left out: clt: evaluation.clt is false" in said
    marked = {name: m["marks"] for name, m in result["metrics"].items() if m["marks"]}
    assert marked and all(
        any(name in line and mark in line for line in said) for name in marked for mark in marked[name]
    )
    loss = pd.read_csv(tmp_path / "tables" / "loss.tsv", sep="\t")
    assert loss["quantity"].tolist() == ["train", "validation"]


def test_a_failed_evaluation_leaves_nothing(tmp_path, model_dir, monkeypatch):
    family_store(tmp_path / "store", "mvn", sets=8, size=200)
    monkeypatch.setattr(MomentModel, "sample", lambda self, z, n, generator=None: torch.full((len(z), n, 2), torch.nan))
    with pytest.raises(GdeError):
        evaluate.run(
            model_dir, tmp_path / "store", config("simulated"), tmp_path / "m" / "metrics.json", tmp_path / "m" / "t"
        )
    assert not (tmp_path / "m").exists()


def test_a_broken_log_names_its_line(tmp_path):
    (tmp_path / "log.jsonl").write_text('{"step": 1, "loss": 2.0}\n{"step": 2, "lo\n')
    with pytest.raises(GdeError, match=r"log\.jsonl:2"):
        evaluate.loss_table(tmp_path / "log.jsonl")
