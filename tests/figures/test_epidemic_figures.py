"""Figures of epidemics: from tables alone, the same bytes twice, axes named; and what is left out is said."""

from importlib import import_module

import numpy as np
import pandas as pd
import pytest
from drawing import check_drawn_twice, drawn, notes, write_results
from matplotlib.text import Text

from gde.config.evaluations.epidemic import Epidemic
from gde.config.figures import OF_EMBEDDINGS
from gde.evaluate.shared.metrics import record
from gde.evaluate.shared.tables import write_tables
from gde.figures.style import style

NAMES = ("epidemic_map", "epidemic_months", "epidemic_sweeps", "epidemic_sites")


def tables(countries: int, *, future: bool, mutations: int) -> dict[str, pd.DataFrame]:
    """As evaluation writes them, of an epidemic that moves along a line."""
    rng = np.random.default_rng(0)
    month = np.tile(np.arange(9.0), countries)
    names = np.repeat([f"c{i}" for i in range(countries)], 9)
    part = np.where(np.arange(len(month)) % 4 == 0, "held out", "trained")
    if future:
        part = np.where(month == 8, "held out in time", part)
    columns = ["pc_1 [latent units, 80 % of variance]", "pc_2 [latent units, 9 % of variance]"]
    z = np.stack([month, rng.normal(0, 0.3, len(month))], 1)
    embedding = pd.DataFrame(z, columns=columns).assign(
        **{"group": [f"{n}|{m:g}" for n, m in zip(names, month, strict=True)], "label": names, "part": part,
           "month [months]": month, "n_samples [1]": 20}
    )  # fmt: skip
    tested = part != "trained"
    months = pd.DataFrame(
        {"group": embedding["group"][tested], "label": names[tested], "part": part[tested],
         "month [months]": month[tested], "read [months]": month[tested] + 0.4, "sites [months]": month[tested],
         "n_samples [1]": 16}
    )  # fmt: skip
    rows = [
        (f"D{10 + 7 * k}G", side, m, 1 / (1 + np.exp(k + 3 - m)), 50)
        for k in range(mutations)
        for side in ("real", "generated")
        for m in np.arange(9.0)
    ]
    sweeps = pd.DataFrame(rows, columns=["label", "source", "month [months]", "share [share of sequences]",
                                         "n_samples [1]"])  # fmt: skip
    sites = pd.DataFrame(
        {"label": [f"D{i}" for i in range(1, 30)], "site [1]": range(1, 30),
         "real [share of sequences]": rng.random(29) ** 4, "generated [share of sequences]": rng.random(29) ** 4}
    )  # fmt: skip
    out = {"embedding": embedding, "months": months}
    out |= {"sweeps": sweeps.assign(frame="Wuhan-Hu-1"), "sites": sites.assign(frame="the consensus of 2020-03")}
    if future:
        parts = []
        for source, when in (("past", np.arange(7.0)), ("true", [7.0, 8.0]), ("predicted", [7.0, 8.0]),
                             ("persistence", [7.0, 8.0])):  # fmt: skip
            at = pd.DataFrame(np.stack([when, np.zeros(len(when))], 1), columns=columns)
            for k in (1, 2):
                at[f"low_{k} [latent units]"] = at.iloc[:, k - 1] - 1
                at[f"high_{k} [latent units]"] = at.iloc[:, k - 1] + 1
            parts.append(at.assign(**{"source": source, "month [months]": when, "window [months]": 4}))
        out["future"] = pd.concat(parts, ignore_index=True)
    return out


@pytest.fixture(
    scope="module", params=[(1, False, 1), (4, True, 5), (30, True, 20)], ids=["one country", "four", "many"]
)
def results(request, tmp_path_factory):
    countries, future, mutations = request.param
    baselines = {"sites": 1.0, "kmers": 1.4, "single_sequence": 2.0, "median": 3.0}
    swept = {"all_months": 0.3, "month_before": 0.1}
    common = {"n": 8, "ci": (0.1, 0.9)}
    metrics = {
        "month/mae": record(0.7, higher_is_better=False, baselines=baselines, **common),
        "sweeps/error": record(0.02, higher_is_better=False, baselines=swept, ceiling=0.01, **common),
        "sites/pearson": record(0.9, higher_is_better=True, baselines={"training": 0.8}, **common),
    }
    if countries > 1:
        metrics["country/accuracy"] = record(0.3, higher_is_better=True, baselines={"sites": 0.2, "majority": 0.2},
                                             chance=0.2, **common)  # fmt: skip
    if future:
        metrics["month/mae_future"] = record(1.7, higher_is_better=False, baselines=baselines, n=8)
        past = {"persistence": 1.5, "mean_of_past": 4.0}
        metrics["extrapolation/distance"] = record(0.9, higher_is_better=False, baselines=past, **common)
    written = tables(countries, future=future, mutations=mutations)
    return write_results(tmp_path_factory.mktemp("drawn"), metrics, written)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_tables_give_the_same_bytes(results, name, tmp_path):
    check_drawn_twice(name, results, tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_axes_are_named_and_hold_something(results, name):
    figure = drawn(name, results)
    shown = [ax for ax in figure.axes if ax.axison and ax.get_label() != "<colorbar>"]
    assert shown and all(ax.has_data() for ax in shown)
    assert figure.get_supxlabel() or all(ax.get_xlabel() for ax in shown)


@pytest.mark.parametrize("name, about", [("epidemic_months", "month"), ("epidemic_sweeps", "sweeps, sites"),
                                         ("epidemic_sites", "sweeps, sites")])  # fmt: skip
def test_what_was_left_out_is_said(tmp_path, name, about):
    write_tables(tmp_path, {"left_out": pd.DataFrame({"group": [about], "status": ["too few sequences"]})})
    with style():
        figure = import_module(f"gde.figures.{name}").draw(tmp_path, {"metrics": {}})
    assert notes(figure)[0] == "not evaluated: too few sequences"


def test_they_are_those_of_the_evaluation():
    assert set(NAMES) == set(Epidemic.figures) - {"loss", "metrics", *OF_EMBEDDINGS}


def test_figures_say_what_mutations_are_named_by(tmp_path):
    made = tables(1, future=False, mutations=3)
    for name, said in (("epidemic_sites", "site of the consensus of 2020-03"), ("epidemic_sweeps", "of Wuhan-Hu-1")):
        write_tables(tmp_path, made)
        with style():
            figure = import_module(f"gde.figures.{name}").draw(tmp_path, {"metrics": {}})
        words = [text.get_text() for text in figure.findobj(Text)]
        assert any(said in text for text in words), words
