"""Figures of clones, perturbations and donors: from tables alone, the same bytes twice, axes named, gaps explained."""

import cells
import pytest
from drawing import check_drawn_twice, check_labels, drawn, notes, write_results

from gde.config.evaluations import EVALUATIONS
from gde.config.figures import tables_of
from gde.config.words import METRICS
from gde.evaluate.cells import donors as donor_evaluation
from gde.evaluate.cells import lineage, perturbation
from gde.evaluate.shared.context import Context
from gde.figures.read import read_table
from gde.files.seals import read_sealed_json


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    root, out = tmp_path_factory.mktemp("drawn"), {}
    store, _ = cells.clones(root / "clones", n=90, cells=12)
    model = cells.MeanModel(5)
    out["lineage"] = write_results(
        root / "lineage", *lineage.evaluate(Context(model, store, cells.config(cells.LINEAGE), 0))
    )
    few, _ = cells.clones(root / "few", n=12, cells=3, wells=False, types=False)
    out["gaps"] = write_results(root / "gaps", *lineage.evaluate(Context(model, few, cells.config(cells.LINEAGE), 0)))
    store, effect = cells.screen(root / "screen", genes=30, cells=24)
    options = cells.PERTURBATION | {"null": None}
    config = cells.config(options, objective=cells.SCREEN)
    out["perturbation"] = write_results(
        root / "perturbation", *perturbation.evaluate(Context(cells.ShiftModel(20, effect, 0.5), store, config, 0))
    )
    store = cells.donors(root / "donors", cells=12)
    out["donors"] = write_results(
        root / "d", *donor_evaluation.evaluate(Context(model, store, cells.config(cells.DONORS), 0))
    )
    return out


CASES = [(kind, name) for kind in ("lineage", "perturbation", "donors") for name in EVALUATIONS[kind].figures]
CASES += [("gaps", name) for name in EVALUATIONS["lineage"].figures]
CASES = [case for case in CASES if tables_of(case[1]) == "tables"]  # the others: test_map_figures.py


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_drawn_twice_gives_the_same_bytes(results, tmp_path, kind, name):
    check_drawn_twice(name, results[kind], tmp_path)


@pytest.mark.parametrize(("kind", "name"), [c for c in CASES if c[0] != "gaps"])
def test_every_figure_has_axis_labels(results, kind, name):
    check_labels(drawn(name, results[kind]))


@pytest.mark.parametrize("name", ["fate", "days"])
def test_what_was_left_out_is_said(results, name):
    assert any(text.startswith("not evaluated: ") for text in notes(drawn(name, results["gaps"])))


@pytest.mark.parametrize(("kind", "title"), [("lineage", "Held-out clones"), ("gaps", "All clones")])
def test_a_panel_of_held_out_clones_shows_no_others(results, kind, title):
    """Where too few are held out there is no such panel, and the title says that the clones also train."""
    figure = drawn("information", results[kind])
    if kind == "gaps" and not (results[kind] / "tables" / "information.tsv").is_file():
        assert any(text.startswith("not evaluated: ") for text in notes(figure))
        return
    said = figure.axes[0].get_title(loc="left")
    assert said.startswith(title)
    if kind == "lineage":
        assert "(last: all clones)" in said
        table, _ = read_table(results[kind] / "tables", "spring")
        panels = {ax.get_title(loc="left"): ax for ax in drawn("spring", results[kind]).axes}
        panels.pop("")  # bars of colour
        assert sorted(panels) == ["All clones, embedding", "Held-out clones, projection"]
        own = (table["part"] == "held out").sum()
        drawn_dots = {len(dots.get_offsets()) for dots in panels["Held-out clones, projection"].collections}
        assert drawn_dots == {own}


def test_marks_and_what_was_left_out_stand_in_the_figure_of_metrics(results):
    figure, report = drawn("metrics", results["gaps"]), read_sealed_json(results["gaps"] / "metrics.json")
    titles = [" ".join(ax.get_title(loc="left").split()) for ax in figure.axes]
    assert titles == ["; ".join(metric["marks"]) for metric in report["metrics"].values()]
    said = " ".join(" ".join(text.get_text().split()) for text in figure.texts)
    assert all(one["why"] in said for one in report["left_out"])
    words = [METRICS[name].name for one in report["left_out"] for name in one["what"].split(", ") if name in METRICS]
    assert words and all(name in said for name in words)
