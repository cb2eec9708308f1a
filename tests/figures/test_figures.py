"""Figures: the same bytes for the same input, labelled axes, nothing drawn from a damaged table."""

import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from importlib import import_module
from pathlib import Path

import fakes
import numpy as np
import pytest
import tiny
from drawing import check_drawn_twice, check_labels, drawn, write_results

from gde import figures
from gde.config.evaluations import EVALUATIONS
from gde.config.figures import figures_of, known_figures, module_of, tables_of
from gde.errors import GdeError
from gde.evaluate.cells import samples
from gde.evaluate.shared.context import Context
from gde.evaluate.simulated import family
from gde.figures.style import new, save, style
from gde.files.io import write_sums
from gde.files.seals import read_sealed_json, write_sealed_json


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Kind of data -> directory with tables/ and metrics.json."""
    root, out = tmp_path_factory.mktemp("figures"), {}
    rng = np.random.default_rng(0)
    x, group = rng.normal(size=(200, 6)) + 3 * rng.normal(size=(5, 6)).repeat(40, 0), np.arange(5).repeat(40)
    dims = {"mvn": 2, "normal": 1, "gmm": 2, "poisson": 1, "multinomial": 3, "cells": 6, "images": 6}
    for name, dim in dims.items():
        kind = "samples" if dim == 6 else "simulated"
        here = root / name
        if kind == "simulated":
            store = fakes.family_store(here / "store", name, sets=8, size=100)
            options = {"clt": name == "mvn", "coverage_replicates": 2}
            metrics, tables = family.evaluate(Context(fakes.MomentModel(dim), store, fakes.config(kind, **options), 0))
        else:
            extra = {"image_shape": [2, 3]} if name == "images" else {}
            store = fakes.sample_store(here / "store", x, group, **extra)
            metrics, tables = samples.evaluate(Context(fakes.ReplayModel(dim), store, fakes.config(kind), 0))
        out[name] = write_results(here, metrics, tables, name=name, data=store.meta["data"])
    return out


def listed(name: str) -> tuple[str, ...]:
    """The figures of an experiment on a data set of this kind."""
    return figures_of(tiny.experiment(dataset=tiny.FAMILY | {"kind": name}))


SAMPLES = figures_of({"evaluation": {"kind": "samples"}, "dataset": {"kind": "h5ad"}})
CASES = [("mvn", name) for name in listed("mvn")]
CASES += [("normal", name) for name in ("embedding", "reconstruction", "interpolation")]
CASES += [("gmm", name) for name in ("geometry", "interpolation")]
CASES += [("poisson", name) for name in ("reconstruction", "poisson", "metrics")]
CASES += [("multinomial", name) for name in ("embedding", "reconstruction", "simplex")]
CASES += [("cells", name) for name in SAMPLES if tables_of(name) == "tables"] + [("images", "reconstruction")]


@pytest.mark.parametrize(("data", "name"), CASES)
def test_drawn_twice_gives_the_same_bytes(results, tmp_path, data, name):
    check_drawn_twice(name, results[data], tmp_path)


@pytest.mark.parametrize(("data", "name"), CASES)
def test_every_figure_has_axis_labels(results, data, name):
    check_labels(drawn(name, results[data]))


@pytest.mark.parametrize(
    "name", ["embedding", "geometry", "interpolation", "clt", "coverage", "loss", "reconstruction"]
)
def test_a_table_with_nan_is_refused(results, tmp_path, name):
    source = (results["mvn"] / "tables" / f"{name}.tsv").read_text().splitlines()
    cells = source[2].split("\t")
    index = next(
        i
        for i, h in enumerate(source[0].split("\t"))
        if h.startswith(("pc_", "x_", "w2", "mean_", "sd", "loss", "coverage"))
    )
    cells[index] = "nan"
    tables = tmp_path / "tables"
    shutil.copytree(results["mvn"] / "tables", tables)
    (tables / f"{name}.tsv").write_text("\n".join([*source[:2], "\t".join(cells), *source[3:]]) + "\n")
    write_sums(tables)
    with pytest.raises(GdeError, match=rf"{name}\.tsv: row 2.*finite number"):
        figures.draw(name, tables, results["mvn"] / "metrics.json", tmp_path / "a.svg", tmp_path / "a.png")
    assert not list(tmp_path.glob("*.svg")) and not list(tmp_path.glob("*.png"))


def test_a_missing_table_and_an_unknown_figure_are_named(results, tmp_path):
    tables = tmp_path / "tables"
    shutil.copytree(results["mvn"] / "tables", tables)
    (tables / "geometry.tsv").unlink()
    for listed in (True, False):
        with pytest.raises(GdeError, match=r"geometry\.tsv: found no such file"):
            figures.draw("geometry", tables, results["mvn"] / "metrics.json", tmp_path / "a.svg", tmp_path / "a.png")
        if listed:
            write_sums(tables)
    with pytest.raises(GdeError, match="'geometri'"):
        figures.draw("geometri", tmp_path, results["mvn"] / "metrics.json", tmp_path / "a.svg", tmp_path / "a.png")


def test_labels_say_the_paired_difference_to_a_baseline(results):
    result = read_sealed_json(results["cells"] / "metrics.json")
    metric = result["metrics"]["labels/accuracy"]
    metric["baselines"] = {"pseudobulk_mean": 0.79, "composition": 0.5}
    metric["differences"] = {"pseudobulk_mean": {"value": -0.15, "ci": [-0.21, 0.02]}}
    with style():
        figure = import_module("gde.figures.labels").draw(results["cells"] / "tables", result)
    check_labels(figure)
    names = [text.get_text() for text in figure.axes[1].get_yticklabels()]
    assert names == ["embedding", "pseudobulk (mean)\n∆ −0.15 [−0.21, +0.02]", "composition"]


@pytest.mark.parametrize(("figure", "metric"), [("clt", "clt/slope"), ("coverage", "clt/coverage")])
def test_what_was_not_evaluated_is_said(results, tmp_path, figure, metric):
    result = read_sealed_json(results["mvn"] / "metrics.json")
    del result["metrics"][metric]
    write_sealed_json(tmp_path / "metrics.json", result)
    figures.draw(figure, results["mvn"] / "tables", tmp_path / "metrics.json", tmp_path / "a.svg", tmp_path / "a.png")
    assert (tmp_path / "a.svg").stat().st_size > 0


def test_text_stays_text(tmp_path):
    """For search, copies and editors, in the font of the pictures or else in the reader's own."""
    with style():
        figure, axes = new(height=2)
        axes[0, 0].set_xlabel("squared distance of Δ <&> [log1p]")
        save(figure, {"run": "t", "data": "real", "seed": 0}, tmp_path / "a.svg", tmp_path / "a.png")
    texts = ET.parse(tmp_path / "a.svg").getroot().iter("{http://www.w3.org/2000/svg}text")
    styles = {text.text: text.get("style") for text in texts}
    assert {"squared distance of Δ <&> [log1p]", "t · real data · seed 0", "0.4"} <= styles.keys()
    assert all("'DejaVu Sans', sans-serif" in style for style in styles.values())


def test_the_last_digit_of_a_layout_is_not_in_the_file(tmp_path):
    made = []
    for shift in (0.0, 1e-13):
        with style():
            figure, axes = new(1, 2, height=2)
            figure.set_layout_engine("none")
            axes[0, 0].set_position([0.1, 0.1 + shift, 0.3, 0.3])
            axes[0, 0].plot([0, 1], [0, 1])
            axes[0, 1].bar([0, 1], [1, 2], hatch="//")
            save(figure, {"run": "t", "data": "real", "seed": 0}, tmp_path / "a.svg", tmp_path / "a.png")
        made.append((tmp_path / "a.svg").read_text())
    assert made[0] == made[1]
    named = re.findall(r'id="(\w+)"', made[0])
    assert len(set(named)) == len(named) and {*re.findall(r"url\(#(\w+)\)", made[0])} <= {*named}


def test_the_list_of_figures_needs_no_matplotlib():
    code = "import sys; from gde.config.figures import figures_of; print(figures_of and 'matplotlib' in sys.modules)"
    root = Path(figures.__file__).parents[2]
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert out.stdout.strip() == "False"


def test_every_figure_registered_is_of_some_experiment():
    kinds = ("mvn", "gmm", "mvn_lowrank", "poisson", "multinomial")
    real = (name for kind, evaluation in EVALUATIONS.items() if kind != "simulated" for name in evaluation.figures)
    assert {*real, *(name for kind in kinds for name in listed(kind))} == set(known_figures())


def test_every_figure_can_be_drawn():
    assert all(callable(import_module(module_of(name)).draw) for name in known_figures())


def test_figures_follow_from_what_is_evaluated():
    assert "interpolation" not in listed("poisson")
    assert "poisson" in listed("poisson") and "poisson" not in listed("mvn")
    assert "simplex" in listed("multinomial")
    four = {"kind": "multinomial", "categories": 4, "alpha": [1.0] * 4}
    assert "simplex" not in figures_of(tiny.experiment(dataset=four))
    without = figures_of(tiny.experiment({"evaluation.coverage_replicates": 0}))
    assert "clt" in without and "coverage" not in without
    without = figures_of(tiny.experiment({"evaluation.clt": False}))
    assert not {"clt", "coverage"} & set(without)
