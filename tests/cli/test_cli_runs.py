"""`gde list`, `show`, `compare` and `clean` of trained runs, and one line for every mistake."""

import json
import shutil
from importlib.metadata import version
from pathlib import Path

import pytest
import tiny
import yaml
from projects import edit, id_of, train

from gde.cli import main
from gde.cli.compared import verdict
from gde.cli.shown import screen
from gde.config.evaluations import EVALUATIONS
from gde.runs.table import find_run
from gde.sets.store.layout import store_digest


def test_list(project, run):
    status, out, _ = run("list")
    assert status == 0
    rows = {line.split()[0]: line for line in out.splitlines()[2:]}
    assert set(rows) == {id_of("tiny"), id_of("cells")}
    for row in rows.values():
        assert "current" in row
        assert "16/16" in row
        assert "resnet" in row


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["--name-contains", "ell"], ["cells"]),
        (["--param", "latent_dim=4"], ["cells", "tiny"]),
        (["--param", "latent_dim=64"], []),
        (["--param", "dataset.kind=mvn"], ["tiny"]),
        (["--param", "lr=5e-3"], ["cells", "tiny"]),
        (["--param", "lr=0.005", "--param", "training.steps=16", "--name-contains", "tiny"], ["tiny"]),
        (["--param", "mixer=null"], ["cells", "tiny"]),
    ],
)
def test_list_with_conditions(project, run, arguments, names):
    status, out, _ = run("list", *arguments)
    assert status == 0
    assert [line.split()[0].rpartition("-")[0] for line in out.splitlines()[2:]] == names
    assert names or "no such run" in out


def test_list_without_runs(tmp_path, monkeypatch, run):
    monkeypatch.chdir(tmp_path)
    assert run("list") == (0, "no such run below results/runs\n", "")


@pytest.mark.parametrize("kept", ["log and checkpoints", "log", "checkpoints", "nothing"])
def test_list_and_show_tell_the_steps_of_an_interrupted_run(project, run, kept):
    name = id_of("cells")
    folder = project / "results/runs" / name
    shutil.rmtree(folder / "model")
    lines = (folder / "log.jsonl").read_text().splitlines()[:-3]
    (folder / "log.jsonl").write_text("\n".join(lines) + '\n{"step": 1')  # cut by a kill
    last = max(json.loads(line)["step"] for line in lines)
    shutil.rmtree(folder / "checkpoints")
    if "checkpoints" in kept:
        (folder / "checkpoints/step-000000004").mkdir(parents=True)
    if "log" not in kept:
        (folder / "log.jsonl").unlink()
    steps = {"log and checkpoints": last, "log": last, "checkpoints": 4, "nothing": 0}[kept]
    assert 4 < last < 16
    row = next(line for line in run("list")[1].splitlines() if line.startswith(name))
    assert "unfinished" in row and f"{steps}/16" in row
    assert yaml.safe_load(run("show", name, "--all")[1])["steps"] == steps
    assert f"trained {steps} of 16 steps" in run("show", name)[1]


def test_show(project, run):
    for word in ("tiny", id_of("tiny"), id_of("tiny")[5:], id_of("tiny")[5:9]):
        status, out, _ = run("show", word, "--all")
        shown = yaml.safe_load(out)
        assert status == 0
        assert json.loads(run("show", word, "--json")[1]) == shown
        assert shown["run"] == id_of("tiny")
        assert shown["state"] == "current"
        assert shown["budget"]["steps"] == 16
        assert shown["metrics"]["geometry/w2_spearman"]["value"] == 0.9
        assert shown["metrics"]["reconstruction/w2"]["marks"] == [tiny.MARK]
        assert shown["left_out"] == {tiny.LEFT["what"]: tiny.LEFT["why"]}
        assert shown["config"]["latent_dim"] == 4
        record = shown["provenance"]["model"]
        assert record["inputs"] == {"store": store_digest(project / "results/sets/tiny")}
        assert record["seeds"] == {"experiment": 0}
        assert len(record["config"]) == len(record["code"]) == len(record["environment"]["lock"]) == 64
        assert record["environment"]["torch"].startswith("2.")
        assert shown["provenance"]["metrics"]["code"] == "c" * 64


def test_show_fits_a_screen_and_leads_with_the_metrics(project, run):
    status, out, _ = run("show", "tiny")
    assert status == 0
    lines = out.splitlines()
    assert len(lines) <= 40 and max(map(len, lines)) <= 100
    assert lines[0] == f"{id_of('tiny')}: current, results/runs/{id_of('tiny')}"
    row = next(line for line in lines if line.startswith("geometry/w2_spearman"))
    assert row.split() == ["geometry/w2_spearman", "↑", "0.9", "[0.8,", "0.95]", "15", "mean", "0.5", "0"]
    assert f"a: {tiny.MARK}"[:90] in out and f"left out: {tiny.LEFT['what']}" in out
    assert out.index("geometry/w2_spearman") < out.index("encoder")
    assert "provenance" not in lines[-2]
    assert "snakemake results/cells/metrics.json" in run("show", "cells")[1]


def test_show_fits_a_screen_with_many_metrics(project):
    found = find_run(Path("results"), "tiny")
    one = found.metrics["metrics"]["reconstruction/w2"] | {"baselines": {f"baseline_number_{i}": 1.5 for i in range(9)}}
    kinds = [*EVALUATIONS["simulated"].metrics, *(f"much_longer_{i}/of_the_metrics" for i in range(90))]
    found.metrics["metrics"] = {name: one | {"marks": [f"{name} means little"]} for name in reversed(kinds)}
    found.metrics["left_out"] = [tiny.LEFT] * 9
    lines = screen(found).splitlines()
    assert len(lines) <= 40 and max(map(len, lines)) <= 110
    first = next(i for i, line in enumerate(lines) if line.startswith("---"))
    assert lines[first + 1].startswith(EVALUATIONS["simulated"].key[0])


@pytest.mark.parametrize(
    ("values", "direction", "best"),
    [
        ({"a": (0.5, 0.4, 0.6), "b": (0.9, 0.8, 1.0)}, {"higher_is_better": True}, "b"),
        ({"a": (0.5, 0.4, 0.6), "b": (0.9, 0.8, 1.0)}, {"higher_is_better": False}, "a"),
        ({"a": (0.5, 0.4, 0.85), "b": (0.9, 0.8, 1.0)}, {"higher_is_better": True}, None),
        ({"a": (2.0, 1.9, 2.1), "b": (0.9, 0.8, 1.1)}, {"target": 1.0}, "b"),
        ({"a": (1.5, 1.4, 1.6), "b": (0.6, 0.5, 0.7)}, {"target": 1.0}, None),  # as far from it, on either side
        ({"a": (0.1, 0.0, 0.2), "b": (0.5, 0.4, 0.6), "c": (0.9, 0.8, 1.0)}, {"higher_is_better": True}, "c"),
        ({"a": (0.1, 0.0, 0.2), "b": (0.85, 0.7, 0.9), "c": (0.9, 0.8, 1.0)}, {"higher_is_better": True}, None),
    ],
)
def test_the_better_is_told_by_the_metric_and_its_interval(values, direction, best):
    way = {"higher_is_better": None, "target": None} | direction
    found = {run: {"value": v, "ci": [low, high]} | way for run, (v, low, high) in values.items()}
    assert verdict(found) == (best, best or "no difference beyond the intervals")
    assert verdict({run: m | {"ci": None} for run, m in found.items()})[0] is None
    assert verdict({"a": found["a"]}) == (None, "")


def test_an_edit_makes_another_run_and_compare_says_what_differs(project, run):
    first = id_of("tiny")
    edit(project, "tiny", latent_dim=3)
    assert train(project, "tiny") == 0
    second = id_of("tiny")
    assert first != second
    states = {line.split()[0]: line.split()[1] for line in run("list", "--name-contains", "tiny")[1].splitlines()[-2:]}
    assert states == {first: "finished", second: "current"}
    status, out, _ = run("compare", "tiny", first, "cells")
    assert status == 0
    settings, metrics, _ = out.split("\n\n")
    assert ["latent_dim", "3", "4", "4"] in [line.split() for line in settings.splitlines()]
    assert "geometry/w2_spearman" in metrics
    assert "training.n_sets" not in settings
    assert run("compare", second, second)[1].startswith("the same settings")
    edit(project, "tiny", latent_dim=4)
    assert train(project, "tiny") == 0
    assert id_of("tiny") == first


def test_words_that_name_no_run_or_several(project, run, refused):
    refused("show", "tinny", parts=["'tinny'", "no such run", id_of("tiny"), id_of("cells")])
    refused("show", "", parts=["several", id_of("tiny"), id_of("cells")])
    refused("compare", "tiny", parts=["two or more"])
    refused("list", "--param", "latent_dim", parts=["--param latent_dim", "key=value"])


def test_no_runs_at_all(tmp_path, monkeypatch, refused):
    monkeypatch.chdir(tmp_path)
    refused("show", "gmm", parts=["no such run", "train an experiment first"])


def test_a_damaged_record_is_named(project, refused):
    (project / "results/runs" / id_of("tiny") / "run.json").write_text("{")
    refused("list", parts=["run.json", "the file is damaged"])
    refused("check", parts=["run.json", "the file is damaged"], prints=True)


def test_clean_keeps_models_logs_and_metrics(project, run):
    run_dir = project / "results/runs" / id_of("tiny")
    status, out, _ = run("clean", "--dry-run")
    assert status == 0
    assert out.count("would delete") == 2
    assert (run_dir / "checkpoints").is_dir()
    run("clean")
    assert {p.name for p in run_dir.iterdir()} == {"log.jsonl", "metrics.json", "model", "run.json"}
    assert run("clean")[1] == ""
    assert train(project, "tiny") == 0


def test_clean_spares_unfinished_and_current_runs(project, run):
    current, other = id_of("cells"), id_of("tiny")
    edit(project, "tiny", latent_dim=3)
    train(project, "tiny")
    newest = id_of("tiny")
    shutil.rmtree(project / "results/runs" / newest / "model")
    run("clean", "--superseded")
    assert {p.name for p in (project / "results/runs").iterdir()} == {current, newest}
    assert other not in (current, newest)
    assert (project / "results/runs" / newest / "checkpoints").is_dir()


def test_the_version_is_that_of_the_package(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0 and capsys.readouterr().out == f"gde {version('gde')}\n"
