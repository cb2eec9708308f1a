"""Figures of methylation: from tables alone, the same bytes twice, axes named, gaps explained."""

import importlib.util
import sys
from pathlib import Path

import pytest

from gde import figures
from gde.evaluate import methylation
from gde.evaluate.tables import write_tables
from gde.figures.style import style
from gde.integrity import read_sealed_json, write_sealed_json
from gde.io import write_sums

if "methylated" not in sys.modules:
    spec = importlib.util.spec_from_file_location(
        "methylated", Path(__file__).parents[1] / "evaluate" / "methylated.py"
    )
    sys.modules["methylated"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["methylated"])
import methylated

NAMES = figures.OF_KIND["methylation"]
LOSS = "step [1]\tquantity\tloss [1]\n1\ttrain\t2.0\n2\ttrain\t1.5\n2\tvalidation\t1.7\n"


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    root, out = tmp_path_factory.mktemp("drawn"), {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gde.evaluate.methylation_views.embed_store", methylated.embed_whole)
        for name, rates in (("all", methylated.RATES), ("one", {"Blood-NK": 0.3})):
            here, store = root / name, methylated.store_of(root / f"{name}-sets", rates=rates)
            metrics, tables = methylation.evaluate(methylated.RateModel(), store, methylated.config(), 0)
            (here / "tables").mkdir(parents=True)
            write_tables(here / "tables", tables)
            (here / "tables" / "loss.tsv").write_text(LOSS)
            write_sums(here / "tables")
            for metric in metrics.values():
                metric["published"] = None
            budget = {"steps": 20, "seconds": 3.0, "samples_seen": 100}
            head = {"experiment": "t", "run": "t-12345678", "data": "simulated", "seed": 0, "device": "cpu"}
            write_sealed_json(here / "metrics.json", head | {"budget": budget, "metrics": metrics})
            out[name] = here
    return out


@pytest.mark.parametrize("name", NAMES)
def test_drawn_twice_gives_the_same_bytes(results, tmp_path, name):
    here, made = results["all"], []
    for i in range(2):
        svg, png = tmp_path / f"{i}.svg", tmp_path / f"{i}.png"
        figures.draw(name, here / "tables", here / "metrics.json", svg, png)
        made.append((svg.read_bytes(), png.read_bytes()))
    assert made[0] == made[1] and made[0][1].startswith(b"\x89PNG")


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_has_axis_labels(results, name):
    module = importlib.import_module(f"gde.figures.{name}")
    with style():
        figure = module.draw(results["all"] / "tables", read_sealed_json(results["all"] / "metrics.json"))
    axes = [ax for ax in figure.axes if ax.axison]
    assert axes, "only a note"
    assert figure.get_supxlabel() or any(ax.get_xlabel() for ax in axes)
    assert figure.get_supylabel() or any(ax.get_ylabel() for ax in axes)


def test_what_was_left_out_is_said(results):
    module = importlib.import_module("gde.figures.tissues")
    with style():
        figure = module.draw(results["one"] / "tables", read_sealed_json(results["one"] / "metrics.json"))
    texts = [text.get_text() for ax in figure.axes for text in ax.texts]
    assert any(text.startswith("not evaluated: ") for text in texts)
