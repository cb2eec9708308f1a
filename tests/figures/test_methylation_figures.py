"""Figures of methylation: from tables alone, the same bytes twice, axes named, gaps explained."""

import methylated
import pytest
from drawing import check_drawn_twice, check_labels, drawn, notes, write_results

from gde.config.evaluations.methylation import Methylation
from gde.config.figures import tables_of
from gde.evaluate.methylation import evaluation as methylation
from gde.evaluate.shared.context import Context

NAMES = [name for name in Methylation.figures if tables_of(name) == "tables"]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    root, out = tmp_path_factory.mktemp("drawn"), {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gde.evaluate.methylation.views.embed_store", methylated.embed_whole)
        for name, rates in (("all", methylated.RATES), ("one", {"Blood-NK": 0.3})):
            store = methylated.store_of(root / f"{name}-sets", rates=rates)
            metrics, tables = methylation.evaluate(Context(methylated.RateModel(), store, methylated.config(), 0))
            out[name] = write_results(root / name, metrics, tables)
    return out


@pytest.mark.parametrize("name", NAMES)
def test_drawn_twice_gives_the_same_bytes(results, tmp_path, name):
    check_drawn_twice(name, results["all"], tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_has_axis_labels(results, name):
    check_labels(drawn(name, results["all"]))


def test_what_was_left_out_is_said(results):
    assert any(text.startswith("not evaluated: ") for text in notes(drawn("tissues", results["one"])))
