"""Figures of clones, perturbations and donors: from tables alone, the same bytes twice, axes named, gaps explained."""

import importlib.util
import sys
from pathlib import Path

import pytest

from gde import figures
from gde.evaluate import donors as donor_evaluation
from gde.evaluate import lineage, perturbation
from gde.evaluate.tables import write_tables
from gde.figures.style import style
from gde.io import read_json, write_json

HERE = Path(__file__).parents[1] / "evaluate"
for name in ("fakes", "cells"):
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
import cells  # noqa: E402

LOSS = "step [1]\tquantity\tloss [1]\n1\ttrain\t2.0\n2\ttrain\t1.5\n2\tvalidation\t1.7\n"


def written(here: Path, found) -> Path:
    metrics, tables = found
    (here / "tables").mkdir(parents=True)
    write_tables(here / "tables", tables)
    (here / "tables" / "loss.tsv").write_text(LOSS)
    for metric in metrics.values():
        metric["published"] = None
    head = {"experiment": "t", "run": "t-12345678", "data": "simulated", "seed": 0, "device": "cpu"}
    head["budget"] = {"steps": 2, "seconds": 1.0, "samples_seen": 10}
    write_json(here / "metrics.json", head | {"metrics": metrics})
    return here


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    root, out = tmp_path_factory.mktemp("drawn"), {}
    store, _ = cells.clones(root / "clones", n=90, cells=12)
    model = cells.MeanModel(5)
    out["lineage"] = written(root / "lineage", lineage.evaluate(model, store, cells.config(cells.LINEAGE), 0))
    few, _ = cells.clones(root / "few", n=12, cells=3, wells=False, types=False)
    out["gaps"] = written(root / "gaps", lineage.evaluate(model, few, cells.config(cells.LINEAGE), 0))
    store, effect = cells.screen(root / "screen", genes=30, cells=24)
    options = cells.PERTURBATION | {"null": None}
    config = cells.config(options, objective=cells.SCREEN)
    out["perturbation"] = written(
        root / "perturbation", perturbation.evaluate(cells.ShiftModel(20, effect, 0.5), store, config, 0)
    )
    store = cells.donors(root / "donors", cells=12)
    out["donors"] = written(root / "d", donor_evaluation.evaluate(model, store, cells.config(cells.DONORS), 0))
    return out


CASES = [(kind, name) for kind in ("lineage", "perturbation", "donors") for name in figures.OF_KIND[kind]]
CASES += [("gaps", name) for name in figures.OF_KIND["lineage"]]


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_drawn_twice_gives_the_same_bytes(results, tmp_path, kind, name):
    here, made = results[kind], []
    for i in range(2):
        svg, png = tmp_path / f"{i}.svg", tmp_path / f"{i}.png"
        figures.draw(name, here / "tables", here / "metrics.json", svg, png)
        made.append((svg.read_bytes(), png.read_bytes()))
    assert made[0] == made[1] and made[0][1].startswith(b"\x89PNG")


@pytest.mark.parametrize(("kind", "name"), [c for c in CASES if c[0] != "gaps"])
def test_every_figure_has_axis_labels(results, kind, name):
    module = importlib.import_module(f"gde.figures.{name}")
    with style():
        figure = module.draw(results[kind] / "tables", read_json(results[kind] / "metrics.json"))
    axes = [ax for ax in figure.axes if ax.axison]
    assert axes, "only a note"
    assert figure.get_supxlabel() or any(ax.get_xlabel() for ax in axes)
    assert figure.get_supylabel() or any(ax.get_ylabel() for ax in axes)


@pytest.mark.parametrize("name", ["fate", "days"])
def test_what_was_left_out_is_said(results, name):
    module = importlib.import_module(f"gde.figures.{name}")
    with style():
        figure = module.draw(results["gaps"] / "tables", read_json(results["gaps"] / "metrics.json"))
    texts = [text.get_text() for ax in figure.axes for text in ax.texts]
    assert any(text.startswith("not evaluated: ") for text in texts)
