"""The grid of the repository, every encoder with every generator, on tiny data: killed in the middle, continued, and
looked at from all sides; then some of its cells with more seeds."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from itertools import product

import pytest
import yaml
from copies import ROOT, SMOKE, copy_project

from gde.cli import main
from gde.config import resolve_grids
from gde.fetch.sources import files_of
from gde.preflight.check import check

pytestmark = pytest.mark.workflow

GRID = yaml.safe_load((ROOT / "config/config.yaml").read_text())["grids"]["mvn5"]
TINY = {
    "dataset": {"test_sets": 6, "validation_sets": 4, "test_size": 60},
    "encoder": {"hidden": 8, "layers": 1},
    "generator": {"hidden": 8, "layers": 1},
    "training": {"steps": 4, "n_sets": 8, "set_size": 32, "torch_threads": 1, "tensorboard": False},
    "evaluation": {"bootstrap": 10, "generated": 60},
}
OVERRIDES = {section: GRID["overrides"].get(section, {}) | keys for section, keys in TINY.items()}
ONE_SEED = GRID["axes"] | {"seed": [0]}
AXES = {axis: [v if isinstance(v, str | int) else v["kind"] for v in values] for axis, values in ONE_SEED.items()}
MORE_SEEDS = {"encoder": ["mean", "attention"], "generator": ["flow"], "seed": [0, 1, 2]}


def cells_of(axes):
    return ["/".join(f"{a}~{v}" for a, v in zip(axes, values, strict=True)) for values in product(*axes.values())]


def config_of(**change):
    """The grid with these settings, on tiny data."""
    grid = {"overrides": OVERRIDES, "axes": ONE_SEED} | change
    return (*SMOKE, f"grids={json.dumps({'mvn5': grid})}")


CELLS = cells_of(AXES)
SUMMARY = "results/grid/mvn5/summary.tsv"
FIGURES = [f"results/grid/mvn5/figures/{metric}.svg" for metric in GRID["metrics"]]
CONFIG = config_of()
BUILD = (SUMMARY, *FIGURES, *CONFIG)
BEFORE_KILL = 5


def finished(root):
    """Run id -> when its model was written."""
    return {p.parent.parent.name: p.stat().st_mtime_ns for p in root.glob("results/runs/*/model/SHA256SUMS")}


@pytest.fixture(scope="module")
def killed(tmp_path_factory, environment):
    """A project in which the grid's build was killed, with all that it had started, when some cells were finished."""
    root = copy_project(tmp_path_factory.mktemp("grid"))
    command = [sys.executable, "-m", "snakemake", *BUILD]
    with (root / "output").open("w") as out:
        job = subprocess.Popen(command, cwd=root, env=environment, stdout=out, stderr=out, start_new_session=True)
    try:
        until = time.monotonic() + 600
        while (root / "output").read_text().count("Finished jobid") <= BEFORE_KILL:  # the store is one more
            assert job.poll() is None, (root / "output").read_text()
            assert time.monotonic() < until, (root / "output").read_text()
            time.sleep(0.2)
    finally:
        if job.poll() is None:
            os.killpg(job.pid, signal.SIGKILL)
        job.wait()
    return root


@pytest.fixture(scope="module")
def made(killed, snakemake, planned):
    """The same grid, continued to its end: root, runs finished before the kill, what was left to do."""
    before = finished(killed)
    assert snakemake(killed, "--unlock", *BUILD).returncode == 0
    left = planned(killed, *BUILD)
    done = snakemake(killed, *BUILD, timeout=1500)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return killed, before, left


@pytest.fixture(scope="module")
def with_seeds(made, tmp_path_factory, snakemake):
    """A copy of it in which fewer models are asked for, with two seeds more."""
    root = tmp_path_factory.mktemp("seeds") / "project"
    shutil.copytree(made[0], root, copy_function=shutil.copy2)
    done = snakemake(root, SUMMARY, *FIGURES, *config_of(axes=MORE_SEEDS))
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return root


@pytest.fixture(params=["every model", "some with more seeds"])
def grid(request):
    """A finished grid: where it is, and its axes."""
    if request.param == "every model":
        return request.getfixturevalue("made")[0], AXES
    return request.getfixturevalue("with_seeds"), MORE_SEEDS


def test_it_goes_on_where_it_was_stopped(made):
    root, before, left = made
    after = finished(root)
    assert len(before) >= BEFORE_KILL
    assert {run: after[run] for run in before} == before
    assert len(after) == len(CELLS) == len(list(root.glob("results/runs/*")))
    assert len(CELLS) - len(before) <= left["cell"] <= len(CELLS) - BEFORE_KILL
    assert set(left) == {"cell", "grid_summary", "grid_figure"}


def test_the_same_command_again_does_nothing(made, planned):
    assert planned(made[0], *BUILD) == {}


def rows(root):
    with (root / SUMMARY).open(newline="") as f:
        return list(csv.DictReader(f, delimiter="\t"))


def test_summary_has_every_cell_and_control(grid):
    root, axes = grid
    table, cells = rows(root), cells_of(axes)
    for metric in GRID["metrics"]:
        own = [r for r in table if r["metric"] == metric and r["source"] == "model"]
        assert sorted("/".join(f"{axis}~{r[axis]}" for axis in axes) for r in own) == sorted(cells)
        for r in own:
            found = json.loads((root / f"results/runs/{r['run']}/metrics.json").read_text())["metrics"][metric]
            assert float(r["value"]) == pytest.approx(found["value"], rel=1e-6)
            assert int(r["steps"]) == OVERRIDES["training"]["steps"]
            assert float(r["seconds"]) >= 0
            assert r["hardware"]
        controls = [r for r in table if r["metric"] == metric and r["source"] != "model"]
        assert {"resample_truth", "average_covariance", "point_mass"} <= {r["source"] for r in controls}
        seeds = [r["seed"] for r in controls if r["source"] == "resample_truth"]
        assert sorted(map(int, seeds)) == axes["seed"]  # one row for each seed: every cell was tested on the same sets
    assert "mean" in AXES["encoder"]  # the baseline that is a cell
    assert len({r["run"] for r in table if r["run"]}) == len(cells)


def test_all_cells_share_one_store(grid):
    root, _ = grid
    assert [p.parent.relative_to(root / "results/sets") for p in root.glob("results/sets/**/SHA256SUMS")] == [
        (root / "results/sets/grid/mvn5/base").relative_to(root / "results/sets")
    ]
    stores = {json.loads(p.read_text())["store"] for p in root.glob("results/runs/*/run.json")}
    assert len(stores) == 1


def test_more_seeds_train_their_cells_only(made, with_seeds):
    before, after = finished(made[0]), finished(with_seeds)
    assert {run: after[run] for run in before} == before
    assert len(after) == len(before) + 4


def test_heat_maps_are_whole_images(grid):
    root, _ = grid
    for figure in FIGURES:
        image = ET.parse(root / figure).getroot()
        assert float(image.get("width").removesuffix("pt")) > 300
        assert (root / figure).stat().st_size > 5_000  # text is text, not outlines
        png = (root / figure).with_suffix(".png").read_bytes()
        assert png.startswith(b"\x89PNG")
        assert len(png) > 10_000


def cells_with(**labels):
    return sum(all(f"{axis}~{label}" in cell.split("/") for axis, label in labels.items()) for cell in CELLS)


def test_another_value_trains_its_cells_only(made, planned):
    root, *_ = made
    one = cells_with(generator="ddpm")
    generators = [{"kind": "ddpm", "layers": 1} if g == "ddpm" else g for g in AXES["generator"]]
    jobs = planned(root, SUMMARY, *config_of(axes=ONE_SEED | {"generator": generators}))
    assert jobs == {"cell": one, "grid_summary": 1}
    jobs = planned(root, SUMMARY, *config_of(axes=ONE_SEED | {"seed": [0, 99]}))
    assert jobs == {"cell": len(CELLS), "grid_summary": 1}
    fewer = ONE_SEED | {"encoder": ONE_SEED["encoder"][:1]}
    assert planned(root, SUMMARY, *config_of(axes=fewer)) == {"grid_summary": 1}


def test_another_evaluation_trains_nothing(made, snakemake):
    root, *_ = made
    metrics = f"results/grid/mvn5/{CELLS[0]}/metrics.json"
    before, models = (root / metrics).read_text(), finished(root)
    changed = config_of(overrides=OVERRIDES | {"evaluation": {"bootstrap": 11, "generated": 60}})
    for arguments, same in ((changed, False), (CONFIG, True)):
        assert snakemake(root, metrics, *arguments).returncode == 0
        assert ((root / metrics).read_text() == before) is same
        assert finished(root) == models


def test_editing_the_code_of_a_kind_retrains_that_kind(made, planned):
    root, *_ = made
    file = root / "gde/generators/ddpm.py"
    text = file.read_text()
    file.write_text(text.replace("class Ddpm(", "@staticmethod\nclass Ddpm("))
    using = sum("ddpm" in cell.split("generator~")[1].split("/")[0] for cell in CELLS)  # and what builds on it
    try:
        assert planned(root, SUMMARY, *CONFIG) == {"cell": using, "grid_summary": 1}
    finally:
        file.write_text(text)


def test_cells_are_runs_like_others(made, monkeypatch, capsys):
    """`gde list`, `show`, `compare`, `check --grid` know them by path, run id and hash."""
    root, *_ = made
    monkeypatch.chdir(root)
    first, second = (f"grid/mvn5/{cell}" for cell in CELLS[:2])
    assert main(["list", "--name-contains", "grid/mvn5", "--param", "encoder.kind=mean"]) == 0
    lines = capsys.readouterr().out.splitlines()[2:]
    assert len(lines) == cells_with(encoder="mean")
    assert all("current" in line for line in lines)
    assert main(["compare", first, second]) == 0
    assert "reconstruction/w2" in capsys.readouterr().out
    assert main(["show", lines[0].split()[0]]) == 0
    assert ": current, " in capsys.readouterr().out

    file = root / "config/config.yaml"
    before = file.read_text()
    config = yaml.safe_load(before) | {"preset": "smoke", "accelerator": "cpu"}
    config["grids"]["mvn5"] |= {"overrides": OVERRIDES, "axes": ONE_SEED}
    try:
        file.write_text(yaml.safe_dump(config))
        found = check(root, root / "results", grid="mvn5")
        assert found.problems == []
        assert [r["experiment"] for r in found.trainings] == [f"grid/mvn5/{cell}" for cell in CELLS]
        assert {r["action"] for r in found.trainings} == {"nothing"}
        config["grids"]["mvn5"]["axes"] = ONE_SEED | {"seed": [99, 0]}
        file.write_text(yaml.safe_dump(config))
        found = check(root, root / "results", grid="mvn5")
        assert [r["action"] for r in found.trainings[:2]] == ["train", "nothing"]
    finally:
        file.write_text(before)
    assert main(["check", "--grid", "mvn6"]) == 2
    assert "did you mean 'mvn5'?" in capsys.readouterr().err


def test_the_report_shows_table_and_figures(made, snakemake):
    root, *_ = made
    done = snakemake(root, *BUILD[: 1 + len(FIGURES)], "--report", "report.html", *CONFIG)
    assert done.returncode == 0, done.stderr
    results = json.JSONDecoder()
    text = (root / "report.html").read_text()
    found = results.raw_decode(text, text.index('{"results/'))[0]
    assert {SUMMARY, *FIGURES} <= set(found)
    assert all("mvn5" in found[path]["caption"] for path in (SUMMARY, *FIGURES))


@pytest.mark.parametrize("name", list(yaml.safe_load((ROOT / "config/config.yaml").read_text())["grids"]))
def test_the_number_of_jobs_is_known_beforehand(project, planned, name):
    config = yaml.safe_load((project / "config/config.yaml").read_text())
    grid = resolve_grids(config, project, ["config/config.yaml"])[name]
    stores = {c.store for c in grid.cells.values()}
    jobs = {"prepare": len(stores), "cell": len(grid.cells), "grid_summary": 1}
    fetched = {s for c in grid.cells.values() for s in files_of(c.resolved["dataset"], ROOT) if s.access != "bundled"}
    jobs |= {"fetch": len(fetched)} if fetched else {}
    assert planned(project, f"results/grid/{name}/summary.tsv") == jobs


def test_one_cell_as_typed(project, planned):
    cell = f"results/grid/mvn5/{CELLS[-1]}"
    assert planned(project, f"{cell}/metrics.json") == {"prepare": 1, "cell": 1}
    assert planned(project, f"{cell}/embeddings.h5ad") == {"prepare": 1, "cell": 1, "embed": 1}
    assert planned(project, f"{cell}/figures/loss.svg") == {"prepare": 1, "cell": 1, "figure": 1}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"axes": {"generator": [{"kind": "flow", "evaluations": 7}]}},
            "gde: --config: grids.mvn5.axes.generator[0].evaluations: found 7, expected an even number for solver "
            "midpoint; add 1 (in cell encoder~mean/generator~flow/seed~0 of grid mvn5)",
        ),
        ({"base": "mvn6"}, "gde: --config: grids.mvn5.base: found 'mvn6', expected one of"),
    ],
)
def test_an_impossible_cell_is_refused_before_anything_runs(project, snakemake, change, message):
    done = snakemake(project, "-n", "all", "--config", f"grids={json.dumps({'mvn5': change})}")
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_project_without_grids(project, planned, snakemake):
    config = yaml.safe_load((project / "config/config.yaml").read_text())
    del config["grids"]
    (project / "config/config.yaml").write_text(yaml.safe_dump(config))
    assert planned(project, "results/mvn5/model") == {"prepare": 1, "train": 1}
    assert snakemake(project, "-n", SUMMARY).returncode == 2
