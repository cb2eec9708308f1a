"""Figures of families and documents: from tables alone, the same bytes twice, axes named."""

from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gde import figures
from gde.evaluate.metrics import record
from gde.evaluate.retrieval import retrieval
from gde.evaluate.tables import write_tables
from gde.figures.style import style
from gde.integrity import read_sealed_json, write_sealed_json
from gde.io import write_sums

NAMES = ("retrieval", "topics", "ngrams")


@pytest.fixture(scope="module", params=[(3, 1), (1200, 40)], ids=["few groups", "many"])
def results(request, tmp_path_factory):
    """As evaluation writes them, of so many groups with two sets each, and so many topics."""
    groups, topics = request.param
    here, rng = tmp_path_factory.mktemp("drawn"), np.random.default_rng(0)
    (here / "tables").mkdir()
    of = np.repeat(np.arange(groups), 2)
    known = rng.normal(size=(groups, 6))
    views = {
        name: (known[of] + sd * rng.normal(size=(len(of), 6)), known) for name, sd in (("gde", 0.2), ("tf_idf", 1))
    }
    metrics, tables = retrieval(views, of, rng, 10, [])
    names = [f"Topic {i}, of a name that is longer than others" for i in range(topics)]
    right = rng.random((2, topics))
    tables["topics"] = pd.DataFrame(
        {"label": names, "real [share recognised]": right[0], "generated [share recognised]": right[1]}
    )
    share = rng.dirichlet(np.ones(50), 2)
    share[1, 0] = 0.0  # an n-gram that is never generated
    tables["words"] = pd.DataFrame(
        {"label": ["\\x20a"] * 50, "real [share of words]": share[0], "generated [share of words]": share[1]}
    )
    write_tables(here / "tables", tables)
    write_sums(here / "tables")
    common = {"n": 8, "higher_is_better": True, "ci": (0.1, 0.9), "chance": 0.1, "ceiling": 0.8}
    metrics |= {
        "topics/generated": record(0.5, baselines={"other_set": 0.1}, **common),
        "ngrams/distance": record(0.2, baselines={"training_mean": 0.3}, **common),
        "likelihood/byte": record(-2.0, baselines={"markov": -2.4, "uniform": -5.5}, **common),
    }
    budget = {"steps": 20, "seconds": 3.0, "samples_seen": 100}
    head = {"experiment": "t", "run": "t-12345678", "data": "simulated", "seed": 0, "device": "cpu", "budget": budget}
    write_sealed_json(here / "metrics.json", head | {"metrics": metrics})
    return here


@pytest.mark.parametrize("name", NAMES)
def test_the_same_tables_give_the_same_bytes(results, name, tmp_path):
    for run in ("a", "b"):
        files = tmp_path / f"{run}.svg", tmp_path / f"{run}.png"
        figures.draw(name, results / "tables", results / "metrics.json", *files)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_axes_are_named_and_hold_something(results, name):
    with style():
        drawn = import_module(f"gde.figures.{name}").draw(
            results / "tables", read_sealed_json(results / "metrics.json")
        )
    assert drawn.axes and all(ax.get_xlabel() and ax.get_ylabel() and ax.has_data() for ax in drawn.axes)


@pytest.mark.parametrize("kind", ["families", "documents"])
def test_the_evaluations_have_figures_and_the_report_explains_them(kind):
    captions = (Path(__file__).parents[2] / "workflow/report/figure.rst").read_text()
    own = figures.figures_of({"evaluation": {"kind": kind}, "dataset": {"kind": "pfam"}})
    assert len(own) >= 3
    for name in own:
        assert name in figures.REGISTRY and f'"{name}": "' in captions
