"""A grid's summary: every cell and control once, intervals over seeds, and figures that are whole images."""

import csv
import xml.etree.ElementTree as ET
from itertools import product

import numpy as np
import pytest
from scipy import stats

from gde.errors import GdeError
from gde.figures.grid import draw_grid
from gde.files.io import write_file_sum, write_json, write_sums
from gde.files.seals import write_sealed_json
from gde.runs.grid import over_seeds, read_summary, summarise
from gde.runs.verify import canonical_digests

ENCODERS, GENERATORS, SEEDS = ("mean", "gnn", "resnet"), ("flow", "ddpm"), ("0", "1", "2")
METRIC = "reconstruction/w2"
CONTROLS = {"resample_truth": 0.006, "average_covariance": 0.07, "point_mass": 0.4}


def record(value, **options):
    defaults = dict.fromkeys(("target", "chance", "ceiling", "published"))
    shown = {"value": value, "ci": [value - 0.1, value + 0.1], "n": 12, "higher_is_better": False, "protocol": "strict"}
    return {**defaults, **shown, "baselines": {}, "marks": [], **options}


def grid(root, axes, metrics, published=None):
    """Files of every cell of `axes` as training and evaluation leave them, and their summary.

    metrics(labels) : metrics of a cell.
    """
    cells = [dict(zip(axes, labels, strict=True)) for labels in product(*axes.values())]
    files, models = [], []
    for i, labels in enumerate(cells):
        here = root.joinpath("grid", "some", *(f"{axis}~{label}" for axis, label in labels.items()))
        budget = {"steps": 60, "seconds": 1.5 + i, "samples_seen": 4800, "best_step": 40}
        head = {"experiment": str(here), "run": f"run-{i}", "data": "simulated", "seed": 0, "device": "cpu"}
        write_sealed_json(here / "metrics.json", head | {"budget": budget, "metrics": metrics(labels)})
        write_json(here / "model/config.json", {"hardware": "x86_64 CPU, 2 cores"})
        write_sums(here / "model")
        files.append(here / "metrics.json")
        models.append(here / "model")
    summarise(cells, files, models, root / "summary.tsv", published=published or {})
    return root / "summary.tsv"


def score(labels):
    """An error that depends on every axis."""
    return (
        0.1 * (1 + ENCODERS.index(labels["encoder"]))
        + 0.01 * int(labels["seed"])
        + 0.5 * (labels["generator"] == "ddpm")
    )


def errors(labels):
    controls = {name: value + 1e-4 * int(labels["seed"]) for name, value in CONTROLS.items()}
    w2 = record(score(labels), baselines=controls, ceiling=controls["resample_truth"])
    slope = record(-0.5 + 0.01 * int(labels["seed"]), target=-0.5, ceiling=-0.5, ci=None)
    return {"reconstruction/w2": w2, "clt/slope": slope}


@pytest.fixture
def axes():
    return {"encoder": ENCODERS, "generator": GENERATORS, "seed": SEEDS}


def test_marks_stand_in_the_cells_rows(tmp_path):
    def metrics(labels):
        found = ["the same as mean", "rests on 2 independent units only"] if labels["encoder"] == "mean" else []
        return {METRIC: record(0.5, baselines=CONTROLS, marks=found)}

    table, names = read_summary(grid(tmp_path, {"encoder": ENCODERS}, metrics))
    assert names == ["encoder"]
    own = table[table["source"] == "model"].set_index("encoder")["marks"]
    assert own.to_dict() == {"mean": "the same as mean; rests on 2 independent units only", "gnn": "", "resnet": ""}
    assert set(table.loc[table["source"] != "model", "marks"]) == {""}


def test_every_cell_and_every_control_once(tmp_path, axes):
    file = grid(tmp_path, axes, errors)
    with file.open(newline="") as f:
        rows = [r for r in csv.DictReader(f, delimiter="\t") if r["metric"] == "reconstruction/w2"]
    own = [r for r in rows if r["source"] == "model"]
    assert {(r["encoder"], r["generator"], r["seed"]) for r in own} == set(product(*axes.values()))
    assert len(own) == 18
    for i, r in enumerate(own):
        assert float(r["value"]) == pytest.approx(score(r))
        assert float(r["ci_low"]) < float(r["value"]) < float(r["ci_high"])
        assert (r["steps"], float(r["seconds"]), r["hardware"]) == ("60", 1.5 + i, "x86_64 CPU, 2 cores")
        assert (r["better"], r["n"], r["data"], r["run"]) == ("lower", "12", "simulated", f"run-{i}")
    controls = [r for r in rows if r["source"] != "model"]
    assert len(controls) == 4 * len(SEEDS)  # with the ceiling; no matter how many encoders and generators
    assert {(r["source"], r["seed"]) for r in controls} == set(product([*CONTROLS, "ceiling"], SEEDS))
    assert all(r["encoder"] == r["generator"] == r["seconds"] == "" for r in controls)
    slopes = [r for r in read_summary(file)[0].to_dict("records") if r["metric"] == "clt/slope"]
    assert {r["better"] for r in slopes} == {"-0.5"}


def test_a_control_that_depends_on_the_model_keeps_its_rows(tmp_path, axes):
    def own(labels):
        return {"reconstruction/w2": record(1.0, baselines={"same": 2.0, "own": score(labels)})}

    table, _ = read_summary(grid(tmp_path, axes, own))
    count = table.groupby("source").size()
    assert count["own"] == count["model"] == 18
    assert count["same"] == 3
    assert set(table.loc[table["source"] == "own", "encoder"]) == set(ENCODERS)


def test_controls_of_several_data_sets_stay_apart(tmp_path):
    axes = {"dataset.df": ("10", "40"), "encoder": ENCODERS, "seed": SEEDS}
    file = grid(tmp_path, axes, lambda c: {"m/x": record(1.0, baselines={"truth": float(c["dataset.df"])}, chance=0.0)})
    table, found = read_summary(file)
    truth = table[table["source"] == "truth"]
    assert found == list(axes)
    assert dict(zip(truth["dataset.df"], truth["value"], strict=False)) == {"10": 10.0, "40": 40.0}
    assert len(truth) == 2 * 3


def test_a_published_curve_takes_the_place_of_single_published_numbers(tmp_path):
    axes = {"dataset.alpha.0": ("0.5", "1"), "seed": ("0", "1")}
    curve = {"geometry/w2_pearson": {"0.5": 0.88, "1": 0.95}}
    metrics = {"geometry/w2_pearson": record(0.9, published=0.952), "other/one": record(0.1, published=0.3)}
    table, _ = read_summary(grid(tmp_path, axes, lambda c: metrics, curve))
    part = table[table["source"] == "published"].set_index(["metric", "dataset.alpha.0"])["value"]
    assert part["geometry/w2_pearson"].to_dict() == {"0.5": 0.88, "1": 0.95}
    assert set(part["other/one"]) == {0.3}
    with pytest.raises(GdeError, match="published: m/none: found no cell with this metric"):
        grid(tmp_path, axes, lambda c: metrics, {"m/none": {"0.5": 1.0, "1": 1.0}})


@pytest.mark.parametrize("n", [2, 3, 10])
def test_interval_over_seeds_is_students(n):
    """As scipy has it; covers the mean of normal values 95 times in 100, whatever the number of seeds."""
    rng = np.random.default_rng(n)
    values = rng.normal(3.0, 2.0, (2000, n))
    mean, half = over_seeds(values[0])
    assert (mean - half, mean + half) == pytest.approx(
        stats.t.interval(0.95, n - 1, values[0].mean(), stats.sem(values[0]))
    )
    covered = [abs(m - 3.0) <= h for m, h in map(over_seeds, values)]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.02)


def test_one_seed_has_no_interval():
    assert over_seeds([4.0]) == (4.0, None)


def drawn(file, metric, out):
    draw_grid("some", metric, file, out / "f.svg", out / "f.png")
    svg = (out / "f.svg").read_bytes()
    root = ET.fromstring(svg)
    assert float(root.get("width").removesuffix("pt")) > 200
    assert (out / "f.png").read_bytes().startswith(b"\x89PNG")
    return svg


@pytest.mark.parametrize("metric", ["reconstruction/w2", "clt/slope"])
def test_heat_map(tmp_path, axes, metric):
    file = grid(tmp_path, axes, errors)
    assert drawn(file, metric, tmp_path) == drawn(file, metric, tmp_path)


@pytest.mark.parametrize(
    "axes",
    [
        {"seed": ("0",)},
        {"encoder": ENCODERS},
        {"encoder": ENCODERS, "generator": GENERATORS},
        {"encoder": ENCODERS, "generator": GENERATORS, "dataset.df": ("10", "40"), "seed": SEEDS},
        {"training.steps": ("10", "20", "400"), "seed": SEEDS},
        {"training.steps": ("10", "20")},
    ],
    ids=lambda axes: " ".join(axes),
)
def test_every_shape_of_grid_is_drawn(tmp_path, axes):
    """One cell, a column, no seeds, panels, a curve."""
    metrics = {
        "reconstruction/mmd": record(0.5, baselines={"truth": 0.1, "far": 9.0}, chance=0.0, ceiling=0.1, published=0.4)
    }
    drawn(grid(tmp_path, axes, lambda c: metrics), "reconstruction/mmd", tmp_path)


def text_of(figure):
    return [t.get_text() for ax in figure.axes for t in ax.texts]


def test_heat_map_says_mean_and_interval(tmp_path, axes):
    from gde.figures.grid import heat_maps

    table, _ = read_summary(grid(tmp_path, axes, errors))
    part = table[table["metric"] == METRIC]
    figure = heat_maps(
        part[part["source"] == "model"], part[part["source"] != "model"], ["encoder", "generator"], METRIC
    )
    mean, half = over_seeds([0.1, 0.11, 0.12])
    texts = text_of(figure)
    assert texts[0] == f"{mean:.3f}\n±{half:.1g}" == "0.110\n±0.02"
    assert len(texts) == 6 + 4
    assert "0.400" in texts


def test_brightest_is_best(tmp_path, axes):
    """Whichever way the metric points: up, down, or to a number."""
    from gde.figures.grid import _paint

    table, _ = read_summary(grid(tmp_path, axes, errors))
    own = table[table["source"] == "model"]
    for better, best, worst in (("lower", 0.1, 0.9), ("higher", 0.9, 0.1), ("0.5", 0.5, 0.9)):
        values = own.head(3).assign(better=better, value=[0.1, 0.5, 0.9])
        paint = _paint(values)
        assert paint(best)[:3].sum() > paint(worst)[:3].sum()


def test_damaged_summaries_are_refused(tmp_path, axes):
    file = grid(tmp_path, axes, errors)
    out = (tmp_path / "f.svg", tmp_path / "f.png")
    with pytest.raises(GdeError, match="metric: found 'reconstruction/w3', expected one of reconstruction/w2"):
        draw_grid("some", "reconstruction/w3", file, *out)
    text = file.read_text()
    lines = text.splitlines()
    cases = {
        text.replace("\tvalue\t", "\tvalu\t"): "found no column 'value'",
        "\n".join([*lines[:2], lines[2].replace("0.11\t", "nan\t", 1)]): "row 2: found 'nan' as value",
        "": "found an unreadable table",
    }
    for content, message in cases.items():
        assert content != text
        file.write_text(content)
        with pytest.raises(GdeError, match=r"summary\.tsv: found sha256 [0-9a-f]{64}, expected sha256 [0-9a-f]{64}; "):
            draw_grid("some", "reconstruction/w2", file, *out)
        write_file_sum(file)
        with pytest.raises(GdeError, match=message):
            draw_grid("some", "reconstruction/w2", file, *out)
    file.unlink()
    with pytest.raises(GdeError, match="found no such file"):
        draw_grid("some", "reconstruction/w2", file, *out)
    assert not any(path.exists() for path in out)


def test_verify_leaves_out_what_differs_between_equal_runs(tmp_path, axes):
    """Seconds and hardware; a value counts."""
    file = grid(tmp_path, axes, errors)
    text = file.read_text()
    digest = canonical_digests(tmp_path)["summary.tsv"]
    for old, new, same in (("\t1.5\t", "\t9.5\t", True), ("x86_64 CPU", "a GPU", True), ("0.11", "0.12", False)):
        assert old in text
        file.write_text(text.replace(old, new, 1))
        assert (canonical_digests(tmp_path)["summary.tsv"] == digest) is same
