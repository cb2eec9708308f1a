"""Minutes and memory of trainings that never ran."""

from pathlib import Path

import pytest
import tiny
import torch

from gde.config import resolve
from gde.preflight import pace
from gde.preflight.check import check, time_costs
from gde.preflight.costs import memory, shape
from gde.runs.sizes import expected

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(pace, "SECONDS", 0.1)
    pace.step_seconds.cache_clear()


@pytest.mark.parametrize("name", ["gmm", "virus", "gpra_dna_vae", "pubmed"])
def test_experiments_of_every_sample_type_have_a_pace(name, tmp_path):
    resolved = resolve(name, {"preset": "smoke"}, ROOT)
    threads = torch.get_num_threads()
    features = shape(resolved, tmp_path)[1]
    seconds = pace.Pace()(resolved, features, 100)
    assert 0 < seconds < 3600
    assert memory(resolved, tmp_path) > 100_000_000
    assert torch.get_num_threads() == threads


def test_time_goes_by_steps_and_is_measured_once(monkeypatch):
    config, clock = tiny.experiment(), pace.Pace()
    monkeypatch.setattr(pace, "IN_ALL", 0)
    first = clock(config, 2, 100)
    assert clock(config | {"seed": 5, "name": "other"}, 2, 300) == pytest.approx(3 * first)
    assert clock(config, 2, 0) == 0
    assert pace.Pace()(config, 2, 100) is None  # no time is left


def test_time_is_near_that_of_a_training(family_store, tmp_path):
    """Within a factor of five, on a machine that others use: a wrong unit would be seen."""
    import time

    from gde.training import train

    config = tiny.experiment({"training.steps": 60})
    expected = pace.Pace()(config, 2, 60)
    begin = time.process_time()
    train(config, family_store, tmp_path / "run", device=torch.device("cpu"))
    assert expected / 5 < time.process_time() - begin < expected * 5


def test_what_is_not_known_is_not_told(tmp_path):
    config = tiny.experiment()
    assert pace.Pace()(config, None, 100) is None
    config["encoder"]["weights"] = "resources/weights/some"
    assert pace.Pace()(config, 2, 100) is None


def test_memory_grows_with_batch_model_and_store(tmp_path):
    def of(**changes):
        return memory(tiny.experiment({k.replace("__", "."): v for k, v in changes.items()}), tmp_path)

    small = of()
    assert of(training__n_sets=512) > small
    assert of(encoder__hidden=512) > small
    assert of(dataset__test_sets=2000) > small


def test_minutes_in_words():
    rows = [
        {"action": "train", "minutes": 2.0},
        {"action": "train", "minutes": ""},
        {"action": "nothing", "minutes": 9},
    ]
    assert list(time_costs(rows).values()) == ["2 + unknown for 1"]
    assert list(time_costs([]).values()) == ["0"]


def test_the_check_tells_both(monkeypatch, tmp_path):
    monkeypatch.chdir(ROOT)
    (row,) = check(ROOT, tmp_path / "results", ["gmm"]).trainings
    assert row["minutes"] > 0 and row["memory"].endswith(("MB", "GB"))


def test_small_files_ask_for_few_steps(monkeypatch, tmp_path):
    """What `auto` will be is told by the rows of a table, before its store is there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config/experiments").mkdir(parents=True)
    (tmp_path / "config/config.yaml").write_text("experiments: []\n")
    steps = {}
    for name, rows in (("small", 300), ("large", 60_000)):
        (tmp_path / f"{name}.csv").write_text("a,b,g\n" + "".join(f"{i},2,x{i % 7}\n" for i in range(rows)))
        text = f"dataset: {{kind: table, path: {name}.csv, groupby: [g]}}\n"
        (tmp_path / f"config/experiments/{name}.yaml").write_text(text)
        resolved = resolve(name, {"experiments": [name]}, tmp_path)
        steps[name] = expected(resolved, tmp_path / "none")["training"]["steps"]
    assert steps == {"small": 300, "large": 2750}
